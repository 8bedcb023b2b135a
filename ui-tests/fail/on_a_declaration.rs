use mmf::resilient;

trait Source {
    #[resilient(retry)]
    async fn read(&self) -> Result<u32, std::fmt::Error>;
}

fn main() {}
