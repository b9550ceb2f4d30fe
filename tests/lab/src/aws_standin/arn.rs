//! Partitions: the parts of AWS that share nothing, not even access keys.
//!
//! Amazon Resource Names (IAM User Guide, "Amazon Resource Names") begin with the partition, and a region belongs
//! to exactly one. The stand-in answers for all partitions on one address, so the region in a signature's
//! credential scope is what tells which partition a client meant to reach.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of AWS's isolated parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Partition {
    /// The commercial regions.
    #[default]
    #[serde(rename = "aws")]
    Aws,
    /// The regions in China.
    #[serde(rename = "aws-cn")]
    China,
    /// AWS GovCloud (US).
    #[serde(rename = "aws-us-gov")]
    GovCloud,
}

/// First parts of the names of commercial regions (AWS General Reference, "Regional endpoints").
const COMMERCIAL: [&str; 9] = ["af", "ap", "ca", "eu", "il", "me", "mx", "sa", "us"];

impl Partition {
    /// The partition a region lies in; `None` for a name that is no region's.
    pub fn of_region(region: &str) -> Option<Self> {
        let parts: Vec<&str> = region.split('-').collect();
        let digits = |part: &str| part.len() == 1 && part.as_bytes()[0].is_ascii_digit();
        let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
        match parts.as_slice() {
            ["cn", place, number] if word(place) && digits(number) => Some(Self::China),
            ["us", "gov", place, number] if word(place) && digits(number) => Some(Self::GovCloud),
            [area, place, number] if COMMERCIAL.contains(area) && word(place) && digits(number) => Some(Self::Aws),
            _ => None,
        }
    }

    /// The one region IAM requests are signed for (AWS General Reference, "IAM endpoints and quotas").
    pub fn iam_region(self) -> &'static str {
        match self {
            Self::Aws => "us-east-1",
            Self::China => "cn-north-1",
            Self::GovCloud => "us-gov-west-1",
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aws => "aws",
            Self::China => "aws-cn",
            Self::GovCloud => "aws-us-gov",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_names_its_partition() {
        assert_eq!(Partition::of_region("us-east-1"), Some(Partition::Aws));
        assert_eq!(Partition::of_region("ap-southeast-2"), Some(Partition::Aws));
        assert_eq!(Partition::of_region("cn-northwest-1"), Some(Partition::China));
        assert_eq!(Partition::of_region("us-gov-west-1"), Some(Partition::GovCloud));
        for wrong in ["", "aws-global", "us-east", "moon-east-1", "us-east-1x", "us--1"] {
            assert_eq!(Partition::of_region(wrong), None, "{wrong}");
        }
    }
}
