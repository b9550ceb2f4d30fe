//! What exists: accounts with their users, access keys, MFA devices and roles.
//!
//! A world is a plain JSON document that tests write, read and change at any moment; each field has a default that
//! suits most tests. Sessions are not part of it: they are made by calls ([`session`](super::session)).
//!
//! ```
//! # use tapvault_lab::aws_standin::World;
//! let world = World::from_json(r#"{
//!   "clock_offset_seconds": 0, "new_key_delay_seconds": 0, "signature_window_seconds": 300, "iam_scope": "any-region",
//!   "accounts": [{
//!     "id": "111122223333", "alias": "main", "partition": "aws", "disabled_regions": [],
//!     "users": [{
//!       "name": "ana", "kind": "user", "path": "/", "id": "AIDA...", "created": "2026-01-01T00:00:00Z",
//!       "access_keys": [{"id": "AKIA...", "secret": "...", "status": "Active"}],
//!       "permissions": ["iam:*", "sts:*"], "mfa_permissions": []
//!     }],
//!     "roles": [{
//!       "name": "admin", "path": "/", "id": "AROA...", "max_session_seconds": 3600, "permissions": ["*"],
//!       "trust": {
//!         "principals": ["111122223333", "arn:aws:iam::444455556666:role/ci"], "external_id": null,
//!         "mfa_required": true, "source_identity": false, "tagging": false, "web_identity": []
//!       }
//!     }],
//!     "mfa_devices": [{"serial": "arn:aws:iam::111122223333:mfa/ana", "seed": "JBSWY3DPEHPK3PXP", "user": "ana"}]
//!   }],
//!   "web_identity_tokens": [{"token": "a.b.c", "issuer": "https://i.example", "subject": "s", "audience": "a"}]
//! }"#)?;
//! # assert_eq!(world.user("111122223333", "ana").map(|user| user.access_keys.len()), Some(1));
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! Types with secrets in them have no `Debug`, so that no failed assertion prints them.

mod mfa_device;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::arn::Partition;

pub use mfa_device::MfaDevice;

/// Everything the stand-in knows from the start.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// The accounts, of all partitions.
    pub accounts: Vec<Account>,
    /// Tokens of identity providers that AssumeRoleWithWebIdentity takes.
    pub web_identity_tokens: Vec<WebIdentityToken>,
    /// How far the service's clock is ahead of this machine's; what a client with a wrong clock sees.
    pub clock_offset_seconds: i64,
    /// How long a key made by CreateAccessKey stays unknown to the services: IAM is eventually consistent (IAM User
    /// Guide, "Changes that I make are not always immediately visible").
    pub new_key_delay_seconds: u64,
    /// How far a signature's time may be off. The IAM User Guide ("Create a signed AWS API request") says five
    /// minutes in most cases; "Common Errors" and reports of users of STS say fifteen. The default is the
    /// stricter one: whoever keeps it keeps both.
    pub signature_window_seconds: u32,
    /// Which regions a signature for IAM may name.
    pub iam_scope: IamScope,
}

/// Which regions a signature for IAM may name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IamScope {
    /// Any of the partition. SDKs sign IAM for its one region only as long as they choose the endpoint themselves;
    /// with the stand-in's address for an endpoint, some sign for the configured region.
    #[default]
    AnyRegion,
    /// The partition's one IAM region, as AWS has it.
    IamRegion,
}

/// An account.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// The name in its sign-in URL.
    pub alias: Option<String>,
    /// Where it lies.
    pub partition: Partition,
    /// Regions in which STS was switched off.
    pub disabled_regions: Vec<String>,
    /// IAM users, and the root user if it has access keys.
    pub users: Vec<User>,
    /// Roles.
    pub roles: Vec<Role>,
    /// MFA devices, with users or still without.
    pub mfa_devices: Vec<MfaDevice>,
}

/// An IAM user, or the account's root user.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct User {
    /// Name; of a root user, only a word to find it by.
    pub name: String,
    /// User or root.
    pub kind: UserKind,
    /// `/`, or `/division/team/`.
    pub path: String,
    /// Unique ID, `AIDA...`; a root user's is its account's.
    pub id: String,
    /// Since when.
    pub created: Timestamp,
    /// Access keys: two at most.
    pub access_keys: Vec<AccessKey>,
    /// Actions the user may call: `iam:ListAccessKeys`, `iam:*`, `*`. Root may all.
    pub permissions: Vec<String>,
    /// Further actions it may call in a session made with MFA, as the common "deny without MFA" policies have it.
    pub mfa_permissions: Vec<String>,
}

/// User or root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserKind {
    /// An IAM user.
    #[default]
    User,
    /// The account's root user.
    Root,
}

/// A long-term access key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKey {
    /// `AKIA...`
    pub id: String,
    /// The secret access key.
    pub secret: String,
    /// Active or inactive.
    #[serde(default)]
    pub status: KeyStatus,
    /// Since when.
    #[serde(default)]
    pub created: Timestamp,
    /// From when on services know it; `None` for always.
    #[serde(default)]
    pub works_from: Option<Timestamp>,
    /// Its last use.
    #[serde(default)]
    pub last_used: Option<LastUse>,
}

/// A key's last use, as GetAccessKeyLastUsed tells it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastUse {
    /// When.
    pub at: Timestamp,
    /// `sts` or `iam`.
    pub service: String,
    /// The region signed for.
    pub region: String,
}

/// Active or inactive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyStatus {
    /// Can sign.
    #[default]
    Active,
    /// Exists, and is refused.
    Inactive,
}

/// A role.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Role {
    /// Name.
    pub name: String,
    /// `/`, or `/service/`.
    pub path: String,
    /// Unique ID, `AROA...`.
    pub id: String,
    /// Longest session, 3,600 to 43,200.
    pub max_session_seconds: u32,
    /// Who may assume it.
    pub trust: Trust,
    /// What its sessions may call.
    pub permissions: Vec<String>,
}

/// A role's trust policy, boiled down.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trust {
    /// ARNs of users, roles or role sessions; account IDs; `arn:...:root` for an account; `*`.
    pub principals: Vec<String>,
    /// Condition on `sts:ExternalId`.
    pub external_id: Option<String>,
    /// Condition on `aws:MultiFactorAuthPresent`.
    pub mfa_required: bool,
    /// Grants `sts:SetSourceIdentity`.
    pub source_identity: bool,
    /// Grants `sts:TagSession`.
    pub tagging: bool,
    /// Issuers whose web identity tokens may assume it.
    pub web_identity: Vec<String>,
}

/// A token of an identity provider, as if its signature had been verified.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebIdentityToken {
    /// The token itself, three parts with dots like a JWT.
    pub token: String,
    /// `iss`
    pub issuer: String,
    /// `sub`
    pub subject: String,
    /// `aud`
    pub audience: String,
    /// `exp`
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

impl World {
    /// Reads a world from JSON.
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// The account of that ID.
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }

    /// The account of that ID, to change.
    pub fn account_mut(&mut self, id: &str) -> Option<&mut Account> {
        self.accounts.iter_mut().find(|account| account.id == id)
    }

    /// A user by account ID and name.
    pub fn user(&self, account: &str, name: &str) -> Option<&User> {
        self.account(account)?.users.iter().find(|user| user.name == name)
    }

    /// A user by account ID and name, to change.
    pub fn user_mut(&mut self, account: &str, name: &str) -> Option<&mut User> {
        self.account_mut(account)?
            .users
            .iter_mut()
            .find(|user| user.name == name)
    }

    /// A long-term key with its owner.
    pub fn access_key(&self, id: &str) -> Option<(&Account, &User, &AccessKey)> {
        self.accounts.iter().find_map(|account| {
            let (user, key) = account
                .users
                .iter()
                .find_map(|user| Some((user, user.access_key(id)?)))?;
            Some((account, user, key))
        })
    }

    /// A long-term key, to change.
    pub fn access_key_mut(&mut self, id: &str) -> Option<&mut AccessKey> {
        let users = self.accounts.iter_mut().flat_map(|account| &mut account.users);
        users.flat_map(|user| &mut user.access_keys).find(|key| key.id == id)
    }

    /// A role by its ARN.
    pub fn role(&self, arn: &str) -> Option<(&Account, &Role)> {
        self.accounts
            .iter()
            .find_map(|account| Some((account, account.roles.iter().find(|role| role.arn(account) == arn)?)))
    }

    /// A role by its ARN, to change.
    pub fn role_mut(&mut self, arn: &str) -> Option<&mut Role> {
        let (account, role) = self.role(arn)?;
        let (account, name) = (account.id.clone(), role.name.clone());
        self.account_mut(&account)?
            .roles
            .iter_mut()
            .find(|role| role.name == name)
    }

    /// An MFA device by its serial.
    pub fn mfa_device(&self, serial: &str) -> Option<&MfaDevice> {
        self.accounts
            .iter()
            .flat_map(|account| &account.mfa_devices)
            .find(|device| device.serial == serial)
    }

    /// An MFA device by its serial, to change.
    pub fn mfa_device_mut(&mut self, serial: &str) -> Option<&mut MfaDevice> {
        self.accounts
            .iter_mut()
            .flat_map(|account| &mut account.mfa_devices)
            .find(|device| device.serial == serial)
    }
}

impl User {
    /// The user's ARN.
    pub fn arn(&self, account: &Account) -> String {
        let Account { id, partition, .. } = account;
        match self.kind {
            UserKind::Root => format!("arn:{partition}:iam::{id}:root"),
            UserKind::User => format!("arn:{partition}:iam::{id}:user{}{}", self.path, self.name),
        }
    }

    /// The `UserId` that STS tells.
    pub fn unique_id<'a>(&'a self, account: &'a Account) -> &'a str {
        match self.kind {
            UserKind::Root => &account.id,
            UserKind::User => &self.id,
        }
    }

    /// One of its access keys.
    pub fn access_key(&self, id: &str) -> Option<&AccessKey> {
        self.access_keys.iter().find(|key| key.id == id)
    }
}

impl Role {
    /// The role's ARN.
    pub fn arn(&self, account: &Account) -> String {
        format!(
            "arn:{}:iam::{}:role{}{}",
            account.partition, account.id, self.path, self.name
        )
    }
}

impl Default for World {
    fn default() -> Self {
        Self {
            accounts: Vec::new(),
            web_identity_tokens: Vec::new(),
            clock_offset_seconds: 0,
            new_key_delay_seconds: 0,
            signature_window_seconds: 300,
            iam_scope: IamScope::default(),
        }
    }
}

impl Default for User {
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: UserKind::User,
            path: "/".to_owned(),
            id: String::new(),
            created: Timestamp::UNIX_EPOCH,
            access_keys: Vec::new(),
            permissions: Vec::new(),
            mfa_permissions: Vec::new(),
        }
    }
}

impl Default for Role {
    fn default() -> Self {
        Self {
            name: String::new(),
            path: "/".to_owned(),
            id: String::new(),
            max_session_seconds: 3600,
            trust: Trust::default(),
            permissions: vec!["*".to_owned()],
        }
    }
}
