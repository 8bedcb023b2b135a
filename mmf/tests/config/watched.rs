//! A file that is looked at again and again.

use std::path::PathBuf;
use std::time::Duration;

use mmf::resilience::Pipeline;
use mmf::{config, resilient};
use tokio::time::sleep;

use super::{Error, alone, value};

#[resilient(name = "watched.client", timeout = "1s", retry(max_attempts = 2))]
async fn client() -> Result<u8, Error> {
    Ok(1)
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("mmf-config-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn timeout_of(seconds: &str) -> String {
    format!("[policies.\"watched.client\"]\ntimeout = \"{seconds}\"\n")
}

fn timeout() -> String {
    value("watched.client", "timeout").unwrap().0
}

/// Until it has been looked at, and a little longer.
async fn a_look() {
    sleep(Duration::from_millis(2100)).await;
}

#[test]
fn what_is_written_is_in_force_two_seconds_later_and_what_is_wrong_leaves_what_was() {
    alone(async {
        let _ = client().await;
        let folder = Folder::new("written");
        let path = folder.write("resilience.toml", &timeout_of("2s"));
        let watch = config::watch(&path);
        assert_eq!(timeout(), "\"2s\"", "at once");
        let (_, origin) = value("watched.client", "timeout").unwrap();
        assert!(origin.ends_with("resilience.toml:2:1"), "{origin}");
        folder.write("resilience.toml", &timeout_of("3s"));
        sleep(Duration::from_millis(1900)).await;
        assert_eq!(timeout(), "\"2s\"");
        sleep(Duration::from_millis(200)).await;
        assert_eq!(timeout(), "\"3s\"");
        for wrong in ["timeout = ", "[policies.\"watched.client\"]\ntimeout = 4", "[policies.none]"]
        {
            folder.write("resilience.toml", wrong);
            a_look().await;
            assert_eq!(timeout(), "\"3s\"", "{wrong}");
        }
        std::fs::remove_file(&path).unwrap();
        a_look().await;
        assert_eq!(timeout(), "\"3s\"", "it has vanished");
        folder.write("resilience.toml", &timeout_of("5s"));
        a_look().await;
        assert_eq!(timeout(), "\"5s\"");
        watch.stop();
        folder.write("resilience.toml", &timeout_of("6s"));
        a_look().await;
        a_look().await;
        assert_eq!(timeout(), "\"5s\"", "nobody looks any more");
    });
}

#[test]
fn of_two_files_the_last_is_watched() {
    alone(async {
        let folder = Folder::new("two");
        let (one, other) =
            (folder.write("one", &timeout_of("2s")), folder.write("other", &timeout_of("3s")));
        config::watch(&one);
        let last = config::watch(&other);
        assert_eq!(timeout(), "\"3s\"");
        folder.write("one", &timeout_of("4s"));
        a_look().await;
        assert_eq!(timeout(), "\"3s\"");
        last.stop();
    });
}

#[cfg(unix)]
#[test]
fn a_link_that_points_elsewhere_is_another_content() {
    alone(async {
        // As Kubernetes mounts what is configured: the folder of the file is a link.
        let folder = Folder::new("link");
        for (name, seconds) in [("first", "2s"), ("second", "3s")] {
            std::fs::create_dir_all(folder.0.join(name)).unwrap();
            folder.write(&format!("{name}/resilience.toml"), &timeout_of(seconds));
        }
        let link = folder.0.join("data");
        std::os::unix::fs::symlink(folder.0.join("first"), &link).unwrap();
        let watch = config::watch(link.join("resilience.toml"));
        assert_eq!(timeout(), "\"2s\"");
        let new = folder.0.join("new");
        std::os::unix::fs::symlink(folder.0.join("second"), &new).unwrap();
        std::fs::rename(&new, &link).unwrap();
        a_look().await;
        assert_eq!(timeout(), "\"3s\"");
        watch.stop();
    });
}

#[test]
fn a_file_that_is_being_written_is_not_believed_yet() {
    alone(async {
        let folder = Folder::new("half");
        let path = folder.write("resilience.toml", &timeout_of("2s"));
        let watch = config::watch(&path);
        // What is there when somebody looks is the beginning of it, and well written by itself.
        sleep(Duration::from_millis(1990)).await;
        folder.write("resilience.toml", "[policies.\"watched.client\"]\n");
        sleep(Duration::from_millis(30)).await;
        folder.write("resilience.toml", &format!("{}retry.max_attempts = 7\n", timeout_of("2s")));
        sleep(Duration::from_millis(100)).await;
        assert_eq!(timeout(), "\"2s\"", "it was never without");
        a_look().await;
        assert_eq!(value("watched.client", "retry.max_attempts").unwrap().0, "7");
        watch.stop();
    });
}

#[test]
fn a_file_that_names_a_pipeline_is_in_force_once_that_is_built() {
    alone(async {
        let folder = Folder::new("pipeline");
        let text = timeout_of("2s") + "[policies.\"watched.pipeline\"]\ntimeout = \"5s\"\n";
        let watch = config::watch(folder.write("resilience.toml", &text));
        assert_eq!(timeout(), "\"1s\"", "there is no such policy yet");
        a_look().await;
        assert_eq!(timeout(), "\"1s\"");
        let pipeline =
            Pipeline::builder("watched.pipeline").timeout(Duration::from_secs(1)).build();
        a_look().await;
        assert_eq!(
            (timeout(), pipeline.timeout()),
            ("\"2s\"".into(), Some(Duration::from_secs(5)))
        );
        drop(pipeline);
        folder.write("resilience.toml", &text.replace("2s", "3s"));
        a_look().await;
        assert_eq!(timeout(), "\"3s\"", "one that was there may come again");
        watch.stop();
    });
}

#[test]
fn a_file_that_is_not_there_yet_is_watched() {
    alone(async {
        let folder = Folder::new("later");
        let watch = config::watch(folder.0.join("resilience.toml"));
        a_look().await;
        assert_eq!(timeout(), "\"1s\"");
        folder.write("resilience.toml", &timeout_of("4s"));
        a_look().await;
        assert_eq!(timeout(), "\"4s\"");
        watch.stop();
    });
}
