//! The types of this room as they stand in a key list: a number, "82", "5.7.1", "once". What can't be read is an error, not a guess.

use super::{Firmware, KeyOrigin, PinPolicy, Serial, Slot, TouchPolicy};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

impl Serialize for Serial {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
    }
}

impl<'de> Deserialize<'de> for Serial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u32::deserialize(deserializer).map(Serial)
    }
}

impl Serialize for Slot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:02x}", self.byte()))
    }
}

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Firmware {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Firmware {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let numbers: Vec<u8> = text.split('.').filter_map(|part| part.parse().ok()).collect();
        match numbers[..] {
            [major, minor, patch] if text.split('.').count() == 3 => Ok(Firmware::new(major, minor, patch)),
            _ => Err(D::Error::custom("a firmware has three numbers")),
        }
    }
}

impl Serialize for PinPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            PinPolicy::Never => serializer.serialize_str("never"),
            PinPolicy::Once => serializer.serialize_str("once"),
            PinPolicy::Always => serializer.serialize_str("always"),
            PinPolicy::Other(byte) => serializer.collect_str(&format_args!("other-{byte}")),
        }
    }
}

impl<'de> Deserialize<'de> for PinPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "never" => Ok(PinPolicy::Never),
            "once" => Ok(PinPolicy::Once),
            "always" => Ok(PinPolicy::Always),
            other => other
                .strip_prefix("other-")
                .and_then(|byte| byte.parse().ok())
                .map(PinPolicy::Other)
                .ok_or_else(|| D::Error::custom("a PIN policy is never, once or always")),
        }
    }
}

impl Serialize for TouchPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            TouchPolicy::Never => "never",
            TouchPolicy::Always => "always",
            TouchPolicy::Cached => "cached",
        })
    }
}

impl<'de> Deserialize<'de> for TouchPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "never" => Ok(TouchPolicy::Never),
            "always" => Ok(TouchPolicy::Always),
            "cached" => Ok(TouchPolicy::Cached),
            _ => Err(D::Error::custom("a touch policy is never, always or cached")),
        }
    }
}

impl Serialize for KeyOrigin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            KeyOrigin::Generated => "generated",
            KeyOrigin::Imported => "imported",
        })
    }
}

impl<'de> Deserialize<'de> for KeyOrigin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "generated" => Ok(KeyOrigin::Generated),
            "imported" => Ok(KeyOrigin::Imported),
            _ => Err(D::Error::custom("a key is generated or imported")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round<T: Serialize + for<'de> Deserialize<'de>>(value: &T) -> String {
        let text = serde_json::to_string(value).expect("written");
        let again: T = serde_json::from_str(&text).expect("read");
        assert_eq!(serde_json::to_string(&again).expect("written"), text);
        text
    }

    #[test]
    fn each_type_is_read_back_as_it_was_written() {
        assert_eq!(round(&Serial(15_042_118)), "15042118");
        assert_eq!(round(&Slot::all_retired().next().expect("a slot")), "\"82\"");
        assert_eq!(round(&Firmware::new(5, 7, 1)), "\"5.7.1\"");
        for policy in [
            PinPolicy::Never,
            PinPolicy::Once,
            PinPolicy::Always,
            PinPolicy::Other(4),
        ] {
            round(&policy);
        }
        for policy in [TouchPolicy::Never, TouchPolicy::Always, TouchPolicy::Cached] {
            round(&policy);
        }
        round(&KeyOrigin::Generated);
    }

    #[test]
    fn an_unknown_word_is_refused() {
        assert!(serde_json::from_str::<TouchPolicy>("\"sometimes\"").is_err());
        assert!(serde_json::from_str::<Firmware>("\"5.7\"").is_err());
        assert!(serde_json::from_str::<Slot>("\"99\"").is_err());
    }
}
