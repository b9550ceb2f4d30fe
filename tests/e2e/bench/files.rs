//! Files: all of a folder, to be searched or compared.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Gives every file under `folder` to `look`, its name among its bytes: a secret may be in a name too.
pub fn each(folder: &Path, look: &mut dyn FnMut(&Path, &[u8])) {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            each(&path, look);
        }
        let mut bytes = if kind.is_file() {
            fs::read(&path).unwrap_or_default()
        } else {
            Vec::new()
        };
        bytes.push(b'\n');
        bytes.extend_from_slice(path.as_os_str().as_encoded_bytes());
        look(&path, &bytes);
    }
}

/// Writes a file that only its owner may read, as tapvault does.
pub fn write_private(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("made private");
}

/// A folder as it was at one moment: every file with its mode and bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<PathBuf, (u32, Option<Vec<u8>>)>);

impl Snapshot {
    /// Of this folder; of a missing one it is empty.
    pub fn of(folder: &Path) -> Self {
        let mut all = BTreeMap::new();
        gather(folder, folder, &mut all);
        Snapshot(all)
    }

    /// The names of files, below the folder.
    pub fn names(&self) -> Vec<&str> {
        self.0.keys().filter_map(|path| path.to_str()).collect()
    }

    /// The permissions of a file or folder.
    pub fn mode(&self, name: &str) -> u32 {
        self.0.get(Path::new(name)).map_or(0, |(mode, _)| mode & 0o7777)
    }

    /// The bytes of a file.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.0.get(Path::new(name))?.1.as_deref()
    }
}

fn gather(root: &Path, folder: &Path, all: &mut BTreeMap<PathBuf, (u32, Option<Vec<u8>>)>) {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
        let bytes = metadata.is_file().then(|| fs::read(&path).unwrap_or_default());
        all.insert(name, (metadata.permissions().mode(), bytes));
        if metadata.is_dir() {
            gather(root, &path, all);
        }
    }
}

/// Names, modes and lengths: what a failed comparison shows.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, (mode, bytes)) in &self.0 {
            let length = bytes
                .as_ref()
                .map_or_else(|| "folder".into(), |bytes| format!("{} bytes", bytes.len()));
            writeln!(f, "{mode:o} {} {length}", name.display())?;
        }
        Ok(())
    }
}
