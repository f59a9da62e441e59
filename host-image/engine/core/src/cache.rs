//! The folder of compiled code and pulled layers: private to the host's user, checked when read, bounded in size.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::error::{EngineError, Result};

/// One folder of files, deleted from the oldest on.
pub struct Cache {
    folder: PathBuf,
    limit_bytes: u64,
}

impl Cache {
    /// # Errors
    /// `config` when the folder can't be made, belongs to another user or is open to others.
    pub fn open(folder: PathBuf, limit_bytes: u64) -> Result<Self> {
        let fault = |what: &str| EngineError::config(format!("the cache folder {} {what}", folder.display()));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|e| fault(&format!("can't be made: {e}")))?;
        let found = fs::metadata(&folder).map_err(|e| fault(&format!("can't be read: {e}")))?;
        // Compiled code is run as it is: whoever can write here runs code as the host.
        // SAFETY: geteuid reads a number and can't fail.
        if found.uid() != unsafe { libc::geteuid() } {
            return Err(fault("belongs to another user"));
        }
        if found.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))
                .map_err(|e| fault(&format!("is open to other users and can't be closed: {e}")))?;
        }
        Ok(Self { folder, limit_bytes })
    }

    /// Where the file with this name is, or would be.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file, so that a reader sees all of it or nothing, and deletes the oldest ones beyond the limit.
    pub fn put(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        static TURN: AtomicU64 = AtomicU64::new(0);
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let part = self
            .folder
            .join(format!("{name}.{}-{turn}.part", std::process::id()));
        let path = self.path(name);
        let written = File::create(&part)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&part, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&part);
            return Err(error);
        }
        self.trim(&path);
        Ok(path)
    }

    /// Marks a file as used just now, so that it is among the last to be deleted.
    pub fn touch(&self, path: &Path) {
        // A cache that can't be touched still works; its files merely look older.
        let _ = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// Deletes the oldest files until the rest is within the limit; `keep` is never deleted.
    fn trim(&self, keep: &Path) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        let mut files: Vec<_> = entries
            .flatten()
            .filter_map(|entry| {
                let found = entry.metadata().ok()?;
                Some((found.modified().ok()?, found.len(), entry.path()))
            })
            .collect();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        files.sort();
        for (_, size, path) in files {
            if total <= self.limit_bytes {
                return;
            }
            if path != keep && fs::remove_file(&path).is_ok() {
                total -= size;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_files_go_first_and_the_newest_stays() {
        let home = crate::testing::folder("cache-trim");
        let cache = Cache::open(home.join("c"), 25).unwrap();
        for name in ["a", "b", "c"] {
            cache.put(name, &[0; 10]).unwrap();
            let age = match name {
                "a" => 30,
                "b" => 20,
                _ => 10,
            };
            if let Ok(file) = File::open(cache.path(name)) {
                file.set_modified(SystemTime::now() - std::time::Duration::from_secs(age))
                    .unwrap();
            }
        }
        assert!(!cache.path("a").exists());
        cache.touch(&cache.path("b"));
        cache.put("d", &[0; 10]).unwrap();
        assert!(cache.path("b").exists() && !cache.path("c").exists() && cache.path("d").exists());
        cache.put("huge", &[0; 100]).unwrap();
        assert!(cache.path("huge").exists() && !cache.path("d").exists());
    }

    #[test]
    fn a_folder_open_to_others_is_closed() {
        let folder = crate::testing::folder("cache-mode");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        Cache::open(folder.clone(), 1).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let file = crate::testing::folder("cache-file").join("f");
        fs::write(&file, "x").unwrap();
        let error = Cache::open(file.join("c"), 1).err().unwrap();
        assert!(error.message.contains("can't be made"), "{error}");
    }
}
