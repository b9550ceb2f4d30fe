//! Where a call goes: region and endpoint, and the partition that both have to lie in.

use serde::Serialize;

use crate::profile::{Note, Origin, Partition, Profile, Region, Sourced, StsRegional, Via};

/// Where a call of STS goes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Address {
    /// The region that the call is signed for.
    pub region: Sourced<Region>,
    /// A custom endpoint.
    pub url: Option<Sourced<String>>,
    /// Whether to take the FIPS endpoint.
    pub fips: Option<Sourced<bool>>,
    /// Whether to take the dual-stack endpoint.
    pub dualstack: Option<Sourced<bool>>,
    /// Which STS answers when no endpoint is named.
    pub sts_regional: Option<Sourced<StsRegional>>,
    /// Certificates to trust. Not an input: it changes whom we believe, not what is answered.
    #[serde(skip)]
    pub ca_bundle: Option<Sourced<String>>,
}

impl Address {
    /// The address of a call for `profiles[at]`, the profiles standing in order from the one asked for down to its source.
    ///
    /// A profile speaks for its own calls, so that all roles above one base share its session. Only when it names no endpoint
    /// and one above it does, that one's address is taken: whoever names an endpoint means all calls of the chain, as for the
    /// AWS SDKs, and a long-term key must not go to AWS when the role's STS is somewhere else.
    pub(super) fn of(profiles: &[Profile], at: usize, partition: Option<Partition>, notes: &mut Vec<Note>) -> Address {
        let own = &profiles[at];
        let speaker = match own.endpoints.sts {
            Some(_) => own,
            None => {
                let above = profiles[..at]
                    .iter()
                    .rev()
                    .find(|profile| profile.endpoints.sts.is_some());
                above.unwrap_or(own)
            }
        };
        let seen = |origin: Origin| match speaker.name == own.name {
            true => origin,
            false => origin.seen(Via::Above),
        };
        let endpoints = speaker.endpoints.clone();
        Address {
            region: region(speaker, partition, notes).map_origin(seen),
            url: endpoints.sts.map(|url| url.map_origin(seen)),
            fips: endpoints.fips.map(|fips| fips.map_origin(seen)),
            dualstack: endpoints.dualstack.map(|dualstack| dualstack.map_origin(seen)),
            sts_regional: endpoints.sts_regional.map(|sts| sts.map_origin(seen)),
            ca_bundle: endpoints.ca_bundle.map(|bundle| bundle.map_origin(seen)),
        }
    }
}

/// The profile's region; without one, the home of the partition that the call is about.
fn region(profile: &Profile, partition: Option<Partition>, notes: &mut Vec<Note>) -> Sourced<Region> {
    let home = |why| Sourced::new(partition.unwrap_or(Partition::Aws).home(), Origin::Default(why));
    let Some(region) = &profile.region else {
        return home("no region is set");
    };
    let Some(partition) = partition.filter(|partition| *partition != region.value.partition()) else {
        return region.clone();
    };
    let why = format!(
        "{} lies in {}, and {} calls for {partition}",
        region.value,
        region.value.partition(),
        profile.name
    );
    // What [default] says was not meant for another AWS; what anybody else says was meant for this profile.
    match region.origin {
        Origin::File {
            via: Via::DefaultSection,
            ..
        } => {
            let home = home("the region of [default] lies in another partition");
            notes.push(Note::new(format!("{} is called in {}", profile.name, home.value), why));
            home
        }
        Origin::Flag(_) | Origin::Env(_) | Origin::File { .. } | Origin::Default(_) | Origin::Told(_) => {
            notes.push(Note::new(
                format!("AWS will refuse the region {} ({})", region.value, region.origin),
                why,
            ));
            region.clone()
        }
    }
}
