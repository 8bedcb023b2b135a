use mmf::operation;

struct Users;

impl Users {
    #[operation(name = "users.get")]
    pub async fn get(&self) {}
}

fn main() {}
