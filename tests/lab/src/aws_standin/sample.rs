//! A small world that most tests can live in.
//!
//! Its keys look like AWS's and say in themselves that they are not; no service ever knew them.

use jiff::Timestamp;

use super::arn::Partition;
use super::world::{AccessKey, Account, KeyStatus, MfaDevice, Role, Trust, User, UserKind, WebIdentityToken, World};

/// The account of [`ANA_KEY`], in the commercial partition.
pub const MAIN_ACCOUNT: &str = "111122223333";
/// The account of the roles below, apart from [`MAIN_ROLE`].
pub const OTHER_ACCOUNT: &str = "444455556666";
/// An account in China.
pub const CHINA_ACCOUNT: &str = "777788889999";
/// An account in GovCloud.
pub const GOV_ACCOUNT: &str = "222233334444";

/// Ana: may all, has an MFA device.
pub const ANA_KEY: &str = "AKIATAPVAULTLABANA22";
/// Ana's secret.
pub const ANA_SECRET: &str = "tapvault/lab+not/a/real+secret/ana/00001";
/// Ana's MFA device.
pub const ANA_MFA: &str = "arn:aws:iam::111122223333:mfa/ana";
/// Ben: may manage his own keys only with MFA, has no device.
pub const BEN_KEY: &str = "AKIATAPVAULTLABBEN22";
/// Ben's secret.
pub const BEN_SECRET: &str = "tapvault/lab+not/a/real+secret/ben/00001";
/// The root user of [`MAIN_ACCOUNT`].
pub const ROOT_KEY: &str = "AKIATAPVAULTLABROOT2";
/// Its secret.
pub const ROOT_SECRET: &str = "tapvault/lab+not/a/real+secret/root/0001";
/// Chen, a user in China.
pub const CHEN_KEY: &str = "AKIATAPVAULTLABCHEN2";
/// Chen's secret.
pub const CHEN_SECRET: &str = "tapvault/lab+not/a/real+secret/chen/0001";
/// Chen's MFA device.
pub const CHEN_MFA: &str = "arn:aws-cn:iam::777788889999:mfa/chen";
/// Gus, a user in GovCloud.
pub const GUS_KEY: &str = "AKIATAPVAULTLABGUS22";
/// Gus's secret.
pub const GUS_SECRET: &str = "tapvault/lab+not/a/real+secret/gus/00001";

/// Trusts the main account, needs MFA, sessions of four hours.
pub const ADMIN_ROLE: &str = "arn:aws:iam::444455556666:role/admin";
/// Trusts the main account, sessions of one hour.
pub const READER_ROLE: &str = "arn:aws:iam::444455556666:role/reader";
/// Trusts the main account with the external ID [`EXTERNAL_ID`].
pub const PARTNER_ROLE: &str = "arn:aws:iam::444455556666:role/partner";
/// Trusts [`READER_ROLE`]: for chains.
pub const DEPLOY_ROLE: &str = "arn:aws:iam::444455556666:role/ops/deploy";
/// Trusts the main account, with tags and source identity.
pub const TAGGED_ROLE: &str = "arn:aws:iam::444455556666:role/tagged";
/// Trusts web identity tokens of [`ISSUER`].
pub const WEB_ROLE: &str = "arn:aws:iam::444455556666:role/web";
/// In the main account itself, trusts Ana by name, sessions of twelve hours.
pub const MAIN_ROLE: &str = "arn:aws:iam::111122223333:role/build";
/// In China, trusts its own account.
pub const CHINA_ROLE: &str = "arn:aws-cn:iam::777788889999:role/admin";

/// What [`PARTNER_ROLE`] wants to hear.
pub const EXTERNAL_ID: &str = "tapvault-lab-7";
/// An identity provider.
pub const ISSUER: &str = "https://issuer.lab.example";
/// A token of it, for [`WEB_ROLE`].
pub const WEB_TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJsYWItcnVubmVyIn0.bm90LWEtc2lnbmF0dXJl";
/// A token of it whose time is over.
pub const EXPIRED_WEB_TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJsYXRlIn0.bm90LWEtc2lnbmF0dXJl";

impl World {
    /// The sample world; the constants of this module name what is in it.
    pub fn sample() -> Self {
        let token = |token: &str, subject: &str, expires| WebIdentityToken {
            token: token.to_owned(),
            issuer: ISSUER.to_owned(),
            subject: subject.to_owned(),
            audience: "sts.amazonaws.com".to_owned(),
            expires,
        };
        Self {
            accounts: vec![main_account(), other_account(), china_account(), gov_account()],
            web_identity_tokens: vec![
                token(WEB_TOKEN, "lab-runner", None),
                token(EXPIRED_WEB_TOKEN, "late-runner", Some(Timestamp::UNIX_EPOCH)),
            ],
            ..Self::default()
        }
    }
}

fn main_account() -> Account {
    let ben = User {
        permissions: texts(&[
            "iam:GetUser",
            "iam:ListMFADevices",
            "iam:*VirtualMFADevice*",
            "iam:EnableMFADevice",
        ]),
        mfa_permissions: texts(&["iam:*AccessKey*"]),
        path: "/division/ops/".to_owned(),
        ..user("ben", BEN_KEY, BEN_SECRET)
    };
    let root = User {
        kind: UserKind::Root,
        ..user("root", ROOT_KEY, ROOT_SECRET)
    };
    let build = Role {
        max_session_seconds: 43_200,
        trust: Trust {
            principals: texts(&["arn:aws:iam::111122223333:user/ana"]),
            ..Trust::default()
        },
        ..role("build", "AROATAPVAULTLABBUILD2")
    };
    Account {
        id: MAIN_ACCOUNT.to_owned(),
        alias: Some("tapvault-lab-main".to_owned()),
        users: vec![user("ana", ANA_KEY, ANA_SECRET), ben, root],
        roles: vec![build],
        mfa_devices: vec![device(ANA_MFA, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "ana")],
        ..Account::default()
    }
}

fn other_account() -> Account {
    let main = || Trust {
        principals: texts(&[MAIN_ACCOUNT]),
        ..Trust::default()
    };
    let trusting = |name: &str, id: &str, trust: Trust| Role {
        trust,
        ..role(name, id)
    };
    let admin = Trust {
        mfa_required: true,
        ..main()
    };
    let partner = Trust {
        external_id: Some(EXTERNAL_ID.to_owned()),
        ..main()
    };
    let deploy = Trust {
        principals: texts(&[READER_ROLE]),
        ..Trust::default()
    };
    let tagged = Trust {
        source_identity: true,
        tagging: true,
        ..main()
    };
    let web = Trust {
        web_identity: texts(&[ISSUER]),
        ..Trust::default()
    };
    Account {
        id: OTHER_ACCOUNT.to_owned(),
        roles: vec![
            Role {
                max_session_seconds: 14_400,
                ..trusting("admin", "AROATAPVAULTLABADMIN2", admin)
            },
            trusting("reader", "AROATAPVAULTLABREADR2", main()),
            trusting("partner", "AROATAPVAULTLABPARTN2", partner),
            Role {
                path: "/ops/".to_owned(),
                max_session_seconds: 43_200,
                ..trusting("deploy", "AROATAPVAULTLABDEPLY2", deploy)
            },
            trusting("tagged", "AROATAPVAULTLABTAGGD2", tagged),
            trusting("web", "AROATAPVAULTLABWEBID2", web),
        ],
        ..Account::default()
    }
}

fn china_account() -> Account {
    let trust = Trust {
        principals: texts(&[CHINA_ACCOUNT]),
        ..Trust::default()
    };
    Account {
        id: CHINA_ACCOUNT.to_owned(),
        partition: Partition::China,
        users: vec![user("chen", CHEN_KEY, CHEN_SECRET)],
        roles: vec![Role {
            trust,
            ..role("admin", "AROATAPVAULTLABCHINA2")
        }],
        mfa_devices: vec![device(CHEN_MFA, "KRUGS4ZANFZSAYJAORSXG5BAONSWKZBB", "chen")],
        ..Account::default()
    }
}

fn gov_account() -> Account {
    Account {
        id: GOV_ACCOUNT.to_owned(),
        partition: Partition::GovCloud,
        users: vec![user("gus", GUS_KEY, GUS_SECRET)],
        ..Account::default()
    }
}

fn user(name: &str, key: &str, secret: &str) -> User {
    let access_key = AccessKey {
        id: key.to_owned(),
        secret: secret.to_owned(),
        status: KeyStatus::Active,
        created: long_ago(),
        works_from: None,
        last_used: None,
    };
    User {
        name: name.to_owned(),
        id: key.replacen("AKIA", "AIDA", 1),
        created: long_ago(),
        access_keys: vec![access_key],
        permissions: texts(&["*"]),
        ..User::default()
    }
}

fn role(name: &str, id: &str) -> Role {
    Role {
        name: name.to_owned(),
        id: id.to_owned(),
        ..Role::default()
    }
}

fn device(serial: &str, seed: &str, user: &str) -> MfaDevice {
    MfaDevice {
        serial: serial.to_owned(),
        seed: seed.to_owned(),
        digits: 6,
        user: Some(user.to_owned()),
        enabled: Some(long_ago()),
        drift_steps: 0,
        used_steps: Default::default(),
    }
}

/// 2026-01-01T00:00:00Z: old enough for any test, young enough to look real.
fn long_ago() -> Timestamp {
    Timestamp::constant(1_767_225_600, 0)
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_secrets_have_the_lengths_of_real_ones() {
        let world = World::sample();
        for user in world.accounts.iter().flat_map(|account| &account.users) {
            for key in &user.access_keys {
                assert_eq!((key.id.len(), key.secret.len()), (20, 40), "{}", user.name);
            }
        }
    }

    #[test]
    fn the_world_survives_a_trip_through_json() {
        let text = serde_json::to_string(&World::sample()).unwrap();
        let back = World::from_json(&text).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
        assert!(
            World::from_json("{\"acounts\": []}").is_err(),
            "a misspelt field must not pass"
        );
    }
}
