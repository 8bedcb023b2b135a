//! Why there is no response.

use std::error::Error as StdError;
use std::fmt;

use reqwest_middleware::Error;

/// The causes of an error, one after the other, without the address: it may tell more than a log should.
pub(crate) struct Causes<'e>(pub(crate) &'e Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(status) = self.0.status() {
            return write!(f, "status {status}");
        }
        let mut cause = match self.0 {
            Error::Reqwest(error) => error.source(),
            Error::Middleware(error) => Some(&**error as &dyn StdError),
        };
        let mut between = "";
        let mut told = false;
        while let Some(error) = cause {
            // Those of reqwest say the address, and beneath them it says why.
            if !(error.is::<::reqwest::Error>() || error.is::<Error>()) {
                write!(f, "{between}{error}")?;
                (between, told) = (": ", true);
            }
            cause = error.source();
        }
        if told { Ok(()) } else { f.write_str("no response") }
    }
}
