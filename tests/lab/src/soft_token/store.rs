//! The token's memory: one JSON file with a section for each applet.
//!
//! Each change replaces the file by a rename, so whoever kills the token finds the state before or after a
//! command, never half of it. It isn't fsynced: it has to outlive the process, not the machine.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Sections by name, kept in memory and on disk.
pub struct Store {
    path: PathBuf,
    sections: BTreeMap<String, Value>,
}

impl Store {
    /// Reads the file; a missing one is an empty store, and is written at the first change.
    pub fn open(path: &Path) -> io::Result<Self> {
        let sections = match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            path: path.to_owned(),
            sections,
        })
    }

    /// What a section holds; `None` if it was never written.
    pub fn read<T: DeserializeOwned>(&self, section: &str) -> io::Result<Option<T>> {
        let value = self.sections.get(section).cloned();
        Ok(value.map(serde_json::from_value).transpose()?)
    }

    /// Replaces a section, in memory and on disk.
    pub fn write<T: Serialize>(&mut self, section: &str, content: &T) -> io::Result<()> {
        self.sections.insert(section.to_owned(), serde_json::to_value(content)?);
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        fs::write(&beside, serde_json::to_vec_pretty(&self.sections)?)?;
        fs::rename(&beside, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_come_back_after_reopening() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("token.json");
        let mut store = Store::open(&path).expect("missing is empty");
        assert_eq!(store.read::<u32>("a").expect("readable"), None);
        store.write("a", &1u32).expect("written");
        store.write("b", &"two").expect("written");
        let store = Store::open(&path).expect("there now");
        assert_eq!(store.read("a").expect("readable"), Some(1u32));
        assert_eq!(store.read("b").expect("readable"), Some("two".to_owned()));
    }

    #[test]
    fn a_spoilt_file_is_an_error_and_not_a_new_token() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("token.json");
        fs::write(&path, "{").expect("written");
        assert!(Store::open(&path).is_err());
    }
}
