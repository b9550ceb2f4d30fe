//! Where a rig keeps its things: one folder, whose names are the same inside and outside of its namespaces.

use std::path::{Path, PathBuf};

/// The folder of one rig.
#[derive(Clone, Debug)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// The path should be absolute: the processes of a rig don't share a current folder.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Becomes `/run/pcscd` inside.
    pub fn ipc(&self) -> PathBuf {
        self.dir.join("ipc")
    }

    /// The server's socket, for `PCSCLITE_CSOCK_NAME`.
    pub fn pcscd_socket(&self) -> PathBuf {
        self.ipc().join("pcscd.comm")
    }

    /// Becomes the driver folder inside: with vpcd's driver alone in it.
    pub fn drivers(&self) -> PathBuf {
        self.dir.join("drivers")
    }

    /// Where pcscd looks for `reader.conf`.
    pub fn config(&self) -> PathBuf {
        self.dir.join("conf")
    }

    /// What the inside is to bring up, as JSON.
    pub fn plan(&self) -> PathBuf {
        self.dir.join("rig.json")
    }

    pub fn token_state(&self, index: usize) -> PathBuf {
        self.dir.join(format!("token-{index}.json"))
    }

    pub fn token_socket(&self, index: usize) -> PathBuf {
        self.dir.join(format!("token-{index}.sock"))
    }

    /// What all processes of the rig have to say.
    pub fn log(&self) -> PathBuf {
        self.dir.join("rig.log")
    }
}
