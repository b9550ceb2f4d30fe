//! Regions and the partitions they lie in.
//!
//! A partition is an AWS of its own (China, GovCloud, ...): ARNs, endpoints and keys don't cross.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// An AWS region, such as `eu-central-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Region(String);

impl Region {
    /// The region as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition, from the region's first letters; a region nobody knows yet counts as `aws`.
    pub fn partition(&self) -> Partition {
        PARTITIONS
            .iter()
            .find(|row| row.prefixes.iter().any(|prefix| self.0.starts_with(prefix)))
            .map_or(Partition::Aws, |row| row.partition)
    }
}

/// A text that can't be a region: it becomes part of a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a region such as eu-central-1")]
pub struct NotARegion;

impl FromStr for Region {
    type Err = NotARegion;

    fn from_str(text: &str) -> Result<Self, NotARegion> {
        // A label of a host name, RFC 1123 2.1, since it ends up in sts.REGION.amazonaws.com.
        let label = (1..=63).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if label {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotARegion)
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An AWS of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Partition {
    /// `aws`: nearly everybody.
    #[serde(rename = "aws")]
    Aws,
    /// `aws-cn`: China.
    #[serde(rename = "aws-cn")]
    China,
    /// `aws-us-gov`: GovCloud.
    #[serde(rename = "aws-us-gov")]
    GovCloud,
    /// `aws-iso`.
    #[serde(rename = "aws-iso")]
    Iso,
    /// `aws-iso-b`.
    #[serde(rename = "aws-iso-b")]
    IsoB,
    /// `aws-iso-e`.
    #[serde(rename = "aws-iso-e")]
    IsoE,
    /// `aws-iso-f`.
    #[serde(rename = "aws-iso-f")]
    IsoF,
    /// `aws-eusc`: the European Sovereign Cloud.
    #[serde(rename = "aws-eusc")]
    Eusc,
}

struct Row {
    partition: Partition,
    name: &'static str,
    /// First letters of its regions, the `-global` pseudo regions among them.
    prefixes: &'static [&'static str],
    /// Where its global services live, so the region to take when none is named.
    home: &'static str,
    /// The one region that IAM is signed for.
    iam: &'static str,
}

/// From the partitions.json that the SDKs ship (`regionRegex`, `implicitGlobalRegion`), and from IAM's endpoint rules beside it.
const PARTITIONS: [Row; 8] = [
    Row {
        partition: Partition::China,
        name: "aws-cn",
        prefixes: &["cn-", "aws-cn-"],
        home: "cn-northwest-1",
        iam: "cn-north-1",
    },
    Row {
        partition: Partition::GovCloud,
        name: "aws-us-gov",
        prefixes: &["us-gov-", "aws-us-gov-"],
        home: "us-gov-west-1",
        iam: "us-gov-west-1",
    },
    Row {
        partition: Partition::Iso,
        name: "aws-iso",
        prefixes: &["us-iso-", "aws-iso-global"],
        home: "us-iso-east-1",
        iam: "us-iso-east-1",
    },
    Row {
        partition: Partition::IsoB,
        name: "aws-iso-b",
        prefixes: &["us-isob-", "aws-iso-b-"],
        home: "us-isob-east-1",
        iam: "us-isob-east-1",
    },
    Row {
        partition: Partition::IsoE,
        name: "aws-iso-e",
        prefixes: &["eu-isoe-", "aws-iso-e-"],
        home: "eu-isoe-west-1",
        iam: "eu-isoe-west-1",
    },
    Row {
        partition: Partition::IsoF,
        name: "aws-iso-f",
        prefixes: &["us-isof-", "aws-iso-f-"],
        home: "us-isof-south-1",
        iam: "us-isof-south-1",
    },
    Row {
        partition: Partition::Eusc,
        name: "aws-eusc",
        prefixes: &["eusc-", "aws-eusc-"],
        home: "eusc-de-east-1",
        iam: "eusc-de-east-1",
    },
    Row {
        partition: Partition::Aws,
        name: "aws",
        prefixes: &[],
        home: "us-east-1",
        iam: "us-east-1",
    },
];

impl Partition {
    /// The name that ARNs use.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The region to use when none is named.
    pub fn home(self) -> Region {
        Region(self.row().home.to_owned())
    }

    /// The region of IAM, of which each partition has one.
    pub fn of_iam(self) -> Region {
        Region(self.row().iam.to_owned())
    }

    /// The partition of an ARN; `None` when the text is no ARN or names a partition nobody knows yet.
    pub fn of_arn(arn: &str) -> Option<Partition> {
        let name = arn.strip_prefix("arn:")?.split(':').next()?;
        PARTITIONS.iter().find(|row| row.name == name).map(|row| row.partition)
    }

    fn row(self) -> &'static Row {
        PARTITIONS
            .iter()
            .find(|row| row.partition == self)
            .expect("every partition has a row")
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_tells_its_partition() {
        for (region, partition) in [
            ("eu-central-1", "aws"),
            ("us-east-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-east-1", "aws-us-gov"),
            ("us-iso-west-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
            ("eusc-de-east-1", "aws-eusc"),
            ("aws-cn-global", "aws-cn"),
            ("aws-global", "aws"),
            ("xx-new-9", "aws"),
        ] {
            assert_eq!(
                region.parse::<Region>().unwrap().partition().name(),
                partition,
                "{region}"
            );
        }
    }

    #[test]
    fn every_home_lies_in_its_own_partition() {
        for row in &PARTITIONS {
            assert_eq!(row.partition.home().partition(), row.partition);
            assert_eq!(
                Partition::of_arn(&format!("arn:{}:iam::1:role/r", row.name)),
                Some(row.partition)
            );
        }
    }

    #[test]
    fn what_could_change_a_host_name_is_no_region() {
        for text in ["", "eu central", "a.b", "x/", "-a", "eu-west-1\n# note"] {
            assert_eq!(text.parse::<Region>(), Err(NotARegion), "{text:?}");
        }
    }
}
