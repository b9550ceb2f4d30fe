//! How the Secret Service is, asked in a way that unlocks nothing, shows no window and, if need be, starts nothing.
//!
//! The `keyring` crate unlocks what it finds, which shows a window and waits for it; so this is asked first. The names are those
//! of the Secret Service API 0.2 (freedesktop.org) and of the D-Bus specification's bus interface.

use super::{SERVICE, Standing, Waking};
use std::collections::HashMap;
use zbus::blocking::Connection;
use zbus::blocking::fdo::DBusProxy;
use zbus::zvariant::{DynamicType, OwnedObjectPath, OwnedValue};

const NAME: &str = "org.freedesktop.secrets";
const PATH: &str = "/org/freedesktop/secrets";
const SERVICE_INTERFACE: &str = "org.freedesktop.Secret.Service";
const COLLECTION_INTERFACE: &str = "org.freedesktop.Secret.Collection";

/// The path that stands for "none" (Secret Service API, "ReadAlias").
const NONE: &str = "/";

/// How it is for what is kept under this name, or for something new. Blocks for as long as the bus or the service pleases.
pub fn standing(name: Option<&str>, waking: Waking) -> Standing {
    let Ok(bus) = Connection::session() else {
        return Standing::NoBus;
    };
    match awake(&bus, waking) {
        Ok(Standing::Open) => {}
        Ok(other) => return other,
        Err(_) => return Standing::NoService,
    }
    let service = Service { bus };
    match name {
        Some(name) => service.of_item(name),
        None => service.of_new_item(),
    }
    .unwrap_or(Standing::Broken)
}

/// [`Standing::Open`] when somebody owns the service's name, if need be after having been started.
fn awake(bus: &Connection, waking: Waking) -> zbus::Result<Standing> {
    let daemon = DBusProxy::new(bus)?;
    if daemon.name_has_owner(NAME.try_into()?)? {
        return Ok(Standing::Open);
    }
    if !daemon
        .list_activatable_names()?
        .iter()
        .any(|name| name.as_str() == NAME)
    {
        return Ok(Standing::NoService);
    }
    match waking {
        Waking::Never => Ok(Standing::Asleep),
        Waking::Allowed => daemon
            .start_service_by_name(NAME.try_into()?, 0)
            .map(|_| Standing::Open)
            .map_err(Into::into),
    }
}

struct Service {
    bus: Connection,
}

impl Service {
    /// Where the item is; if there is none, whether a locked collection may hide it.
    fn of_item(&self, name: &str) -> zbus::Result<Standing> {
        let attributes = HashMap::from([("service", SERVICE), ("username", name)]);
        let (unlocked, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
            self.call(PATH, SERVICE_INTERFACE, "SearchItems", &attributes)?;
        if !unlocked.is_empty() {
            return Ok(Standing::Open);
        }
        if !locked.is_empty() {
            return Ok(Standing::Locked);
        }
        let collections: Vec<OwnedObjectPath> = self.property(PATH, SERVICE_INTERFACE, "Collections")?;
        if collections.is_empty() {
            return Ok(Standing::NoKeyring);
        }
        for collection in collections {
            if self.is_locked(&collection)? {
                return Ok(Standing::Locked);
            }
        }
        Ok(Standing::Empty)
    }

    /// The collection that new items go to.
    fn of_new_item(&self) -> zbus::Result<Standing> {
        let default: OwnedObjectPath = self.call(PATH, SERVICE_INTERFACE, "ReadAlias", &"default")?;
        if default.as_str() == NONE {
            return Ok(Standing::NoKeyring);
        }
        Ok(if self.is_locked(&default)? {
            Standing::Locked
        } else {
            Standing::Open
        })
    }

    fn is_locked(&self, collection: &OwnedObjectPath) -> zbus::Result<bool> {
        self.property(collection.as_str(), COLLECTION_INTERFACE, "Locked")
    }

    fn property<T>(&self, path: &str, interface: &str, name: &str) -> zbus::Result<T>
    where
        T: TryFrom<OwnedValue>,
        T::Error: Into<zbus::Error>,
    {
        let properties = "org.freedesktop.DBus.Properties";
        let value: OwnedValue = self.call(path, properties, "Get", &(interface, name))?;
        value.try_into().map_err(Into::into)
    }

    fn call<T>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &(impl serde::Serialize + DynamicType),
    ) -> zbus::Result<T>
    where
        T: for<'d> zbus::zvariant::DynamicDeserialize<'d>,
    {
        self.bus
            .call_method(Some(NAME), path, Some(interface), method, body)?
            .body()
            .deserialize()
    }
}
