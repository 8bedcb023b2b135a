//! Operations of every shape: generics, borrows, `&mut self`, `self` by value, `impl Trait`, no result.
#![deny(warnings, clippy::all, clippy::pedantic)]

use std::fmt::Display;

pub struct Users<T> {
    names: Vec<T>,
}

#[mmf::service(name = "users")]
struct Store<'s, const N: usize> {
    names: [&'s str; N],
}

#[mmf::service(name = "users")]
impl<T: Display + Clone + Send + Sync> Users<T> {
    /// Documented.
    ///
    /// # Errors
    ///
    /// Never.
    pub async fn first<'a>(&'a self, or: &'a T) -> Result<&'a T, std::io::Error> {
        Ok(self.names.first().unwrap_or(or))
    }

    pub async fn add(&mut self, mut name: T, more: impl IntoIterator<Item = T>) {
        if let Some(last) = self.names.last() {
            name = last.clone();
        }
        self.names.push(name);
        self.names.extend(more);
    }

    pub async fn into_names(self) -> Vec<T> {
        self.names
    }

    pub async fn sorted(&self, (a, b): (u8, u8)) -> impl Iterator<Item = u8> + use<T> {
        vec![a, b].into_iter()
    }

    #[operation(fields(names = self.names.len(), first = ?self.names.first().map(ToString::to_string)))]
    fn count(&self) -> usize {
        self.names.len()
    }

    #[must_use]
    pub fn blocking(&self) -> usize {
        self.count()
    }
}

fn main() {
    let store = Store { names: ["ada"] };
    assert_eq!((store.logger().name(), store.names.len()), ("users", 1));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut users = Users { names: vec!["ada"] };
        users.add("grace", ["edsger"]).await;
        assert_eq!(*users.first(&"none").await.unwrap(), "ada");
        assert_eq!(users.sorted((1, 2)).await.count(), 2);
        assert_eq!(users.blocking(), 3);
        assert_eq!(users.into_names().await.len(), 3);
    });
}
