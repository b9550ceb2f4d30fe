//! The AWS config file: read, edited, and resolved into what one profile says.
//!
//! [`files`] finds and reads the two files, [`ConfigText`] holds one of them line by line, [`Config`] puts both and the
//! environment together, and [`Config::resolve`] says what a profile's settings are and where each came from. Which calls
//! follow from it is [`crate::chain`]'s business; nothing here calls, asks or writes.

mod close;
mod config;
mod edit;
mod endpoints;
mod env;
mod error;
mod fault;
pub mod files;
mod header;
mod name;
mod origin;
mod region;
mod resolve;
mod settings;
mod static_keys;
mod text;
pub mod value;
mod variables;
pub mod words;

pub use close::close;
pub use config::{Config, Sections, Trouble};
pub use edit::EditError;
pub use env::EnvView;
pub use error::{Circle, ConfigError, NoProfile, did_you_mean, shown};
pub use fault::{Fault, Problem};
pub use header::{FileKind, Header, Prefix};
pub use name::{MAX_NAME, NameError, ProfileName};
pub use origin::{Origin, Place, Sourced, Via};
pub use region::{NotARegion, Partition, Region};
pub use resolve::{Asked, FED_BY_DEFAULT, Overrides};
pub use settings::{Durations, Endpoints, Note, Profile, Role, Source, Sso, StsRegional};
pub use static_keys::StaticKeys;
pub use text::{ConfigText, Property};
