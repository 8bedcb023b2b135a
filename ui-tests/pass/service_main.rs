//! `main` of a service takes the service or nothing, and returns a result or nothing.

mod result {
    #[mmf::service(name = "users", worker_threads = 2, shutdown_timeout = "1s")]
    pub async fn main(
        service: mmf::Service,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        service.ready(u16::from_str_radix("8080", 10)?);
        Ok(())
    }
}

fn quiet(config: mmf::logging::LoggingConfig) -> mmf::logging::LoggingConfig {
    config.level("off")
}

#[mmf::service(name = "users", flavor = "current_thread", logging(quiet))]
async fn main() {
    let _ = result::main;
}
