//! The page and what stands behind it, as a process has them: this program starts itself again, with a token and without, as
//! tokens are variables. Without a harness, since it is about whole processes.

#[path = "../browser/mod.rs"]
mod browser;
#[path = "../streams/mod.rs"]
mod streams;

mod api;
mod page;
mod process;
mod strange;

/// The page beside a service, at a port that the system chooses, which a log line tells.
#[mmf::service(name = "admin", admin(std::env::var("ADMIN").unwrap()))]
async fn service(service: mmf::Service) -> Result<(), std::io::Error> {
    service.ready(0);
    service.shutdown_requested().await;
    Ok(())
}

fn main() {
    if std::env::var_os("ADMIN").is_some() {
        service();
        return;
    }
    if std::env::var_os("MMF_TEST_CHILD").is_some() {
        return process::child();
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if std::env::args().any(|argument| argument == "browser") {
        return runtime.block_on(page::in_a_browser());
    }
    runtime.block_on(async {
        api::without_a_token_it_is_read_and_not_changed().await;
        api::with_the_token_it_is_changed_and_that_is_told().await;
        api::from_elsewhere_reading_takes_a_token().await;
        api::what_is_wrong_is_a_problem().await;
        api::whatever_is_asked_nothing_breaks().await;
        api::a_log_level_holds_for_a_while().await;
        api::a_fault_is_shown_and_disarmed().await;
        api::what_cannot_be_read_is_a_row_that_says_so().await;
        api::no_level_hides_a_change().await;
        api::what_a_call_fails_with_is_told().await;
        api::how_long_calls_take_is_measured_while_somebody_looks().await;
        api::those_beyond_a_thousand_are_refused_and_the_rest_go_on().await;
        api::a_service_has_it_beside_it().await;
        api::whatever_becomes_of_its_lines_it_answers().await;
        api::the_page_asks_nobody_else_and_its_stream_goes_on().await;
    });
    println!("the page is guarded, and its switches switch");
}
