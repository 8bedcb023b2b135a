struct Users;

#[mmf::service(name = "users", shutdown_timeout = "1s")]
impl Users {
    #[operation(levl = "debug")]
    pub async fn create(&self, id: u64) -> u64 {
        id
    }

    #[operation(skip, level = "lowd")]
    pub async fn delete(&self) {}

    #[operation(fields)]
    pub async fn list(&self) {}
}

#[mmf::service(flavor = "current_thread")]
struct Service;

#[mmf::service(name = "users")]
enum Kind {}

fn main() {}
