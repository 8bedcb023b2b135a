//! Files that are read and written as a whole: within bounds, and never torn.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// Reads a text of so many bytes at the most.
///
/// # Errors
///
/// Where it is no file, is larger, or is no UTF-8.
pub fn read(path: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.take(most + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        return Err(refused(format!("it is larger than {} MiB", most >> 20)));
    }
    Ok(text)
}

/// Opens a file, and nothing that only looks like one: a pipe would never end.
///
/// # Errors
///
/// Where it is none.
pub fn open(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(refused("it is no file"));
    }
    File::open(path)
}

/// Puts a text in the place of a file: written beside it and renamed, so that the old one is whole until the new one
/// is.
///
/// # Errors
///
/// Where something else than a file is there, or the text cannot be written.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_symlink() => {
            return Err(refused("a link is there, which is not followed: take it away"));
        }
        Ok(there) if !there.is_file() => return Err(refused("it is no file")),
        _ => {}
    }
    let name = path.file_name().ok_or_else(|| refused("it names no file"))?;
    let beside = format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id());
    let beside = path.with_file_name(beside);
    // What an earlier process of this number has left.
    let _ = fs::remove_file(&beside);
    let written =
        OpenOptions::new().write(true).create_new(true).open(&beside).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
    let replaced = written.and_then(|()| fs::rename(&beside, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&beside);
    }
    replaced
}

fn refused(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_else_is() {
        let folder = std::env::temp_dir().join(format!("mmf-file-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("a");
        replace(&file, "one").unwrap();
        replace(&file, "two").unwrap();
        assert_eq!(read(&file, 3).unwrap(), "two");
        assert!(read(&file, 2).unwrap_err().to_string().contains("larger than"));
        assert!(replace(&folder, "x").unwrap_err().to_string().contains("no file"));
        assert!(read(&folder, 3).unwrap_err().to_string().contains("no file"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&file, folder.join("link")).unwrap();
            assert!(replace(&folder.join("link"), "x").unwrap_err().to_string().contains("a link"));
            assert_eq!(read(&folder.join("link"), 3).unwrap(), "two");
        }
        let names: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{names:?}");
        fs::remove_dir_all(folder).unwrap();
    }
}
