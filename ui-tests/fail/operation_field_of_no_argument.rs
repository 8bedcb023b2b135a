struct Users;

#[mmf::service(name = "users")]
impl Users {
    #[operation(fields(user_id = user.id))]
    pub async fn create(&self, id: u64) -> u64 {
        id
    }

    pub async fn delete(&self) -> u64 {
        "not a number"
    }
}

fn main() {}
