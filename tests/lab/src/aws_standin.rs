//! A local stand-in for AWS STS and IAM that refuses what AWS refuses.
//!
//! Ready-made mocks accept wrong secrets, any MFA code and any duration, so a client that is wrong still passes
//! against them. This one holds a small [`World`] of accounts, users, roles and MFA devices, checks each call
//! against it the way AWS documents it, and answers with AWS's error codes and XML. Tests can make it misbehave
//! ([`Fault`]) and can read what it was asked ([`Call`]).
//!
//! ```no_run
//! use tapvault_lab::aws_standin::{ANA_MFA, Fault, Standin, World};
//!
//! let aws = Standin::start(World::sample());
//! aws.fault(Fault::on("AssumeRole").nth(2).throttle(3));
//! let code = aws.totp(ANA_MFA);
//! // ... run a client against aws.endpoint() with that code ...
//! assert_eq!(aws.calls_of("GetSessionToken").len(), 1);
//! ```
//!
//! A call goes down this list and its answer comes back up:
//!
//! | module | its one idea |
//! |---|---|
//! | [`standin`] | the handle a test holds |
//! | [`control`] | the same handle, over a socket, for the binary |
//! | [`server`] | connections and threads |
//! | [`http`] | bytes to requests, answers to bytes, within bounds |
//! | [`service`] | one request through faults, authentication, an action and the log |
//! | [`fault`], [`call`] | what goes wrong on purpose; what was asked |
//! | [`auth`], [`sigv4`], [`credential`] | who signed, and whether the signature holds |
//! | [`sts`], [`iam`] | the actions |
//! | [`permission`], [`constraint`] | may the caller; is the parameter well-formed |
//! | [`state`], [`session`], [`world`], [`sample`] | what exists |
//! | [`arn`], [`clock`], [`error`], [`id`], [`query`], [`totp`], [`xml`] | small words the others are written in |
//!
//! What it leaves out: TLS, SAML, policy evaluation beyond allow lists, paging beyond `MaxItems`, and every
//! service other than STS and IAM.

pub mod arn;
pub mod auth;
pub mod call;
pub mod clock;
pub mod constraint;
pub mod control;
pub mod credential;
pub mod error;
pub mod fault;
pub mod http;
pub mod iam;
pub mod id;
pub mod permission;
pub mod query;
pub mod sample;
pub mod server;
pub mod service;
pub mod session;
pub mod sigv4;
pub mod standin;
pub mod state;
pub mod sts;
pub mod totp;
pub mod world;
pub mod xml;

pub use call::Call;
pub use fault::{Fault, When};
pub use sample::*;
pub use standin::{Options, Standin};
pub use world::{
    AccessKey, Account, IamScope, KeyStatus, MfaDevice, Role, Trust, User, UserKind, WebIdentityToken, World,
};
