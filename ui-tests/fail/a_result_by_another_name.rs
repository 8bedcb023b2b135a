use mmf::{ResilienceError, resilient};

#[derive(Debug)]
enum Error {
    Busy,
    Status(u16),
    Refused,
}

impl From<ResilienceError> for Error {
    fn from(_: ResilienceError) -> Self {
        Self::Refused
    }
}

type Answer = Result<u32, Error>;
type AnswerResult = Answer;

struct Client;

#[resilient(retry, all)]
impl Client {
    pub fn get(&self) -> AnswerResult {
        Ok(1)
    }

    pub async fn listen(&self) -> AnswerResult {
        Ok(1)
    }
}

fn main() {}
