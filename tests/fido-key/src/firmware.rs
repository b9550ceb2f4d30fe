//! The firmware while it has power: from one plugging in to the next pulling out.
//!
//! Two threads, as a real key has its interrupts and its main loop: one moves reports between the host and the firmware's
//! CTAPHID class, the other runs the authenticator. Both end when the key is pulled out; what they held in RAM is gone
//! then, the memories stay.

use std::{
    cell::RefCell,
    fs, io,
    path::PathBuf,
    rc::Rc,
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use ctaphid_dispatch::{Channel, DEFAULT_MESSAGE_SIZE, Dispatch, Requester};
use fido_authenticator::{Authenticator, Config};
use littlefs2_core::path;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;
use ref_swap::OptionRefSwap;
use trussed::{
    ClientImplementation,
    backend::BackendId,
    pipe::{ServiceEndpoint, TrussedChannel},
    platform,
    service::Service,
    types::CoreContext,
    virt::{StorageConfig, Store, StoreConfig, UserInterface},
};
use trussed_core::InterruptFlag;
use trussed_staging::{
    StagingContext,
    virt::{BackendIds, Dispatcher},
};
use usb_device::{
    bus::UsbBusAllocator,
    device::{UsbDeviceBuilder, UsbVidPid},
};
use usbd_ctaphid::CtapHid;

use crate::{
    bus::Bus,
    key::{Finger, Key},
    port::Port,
};

const MESSAGE: usize = DEFAULT_MESSAGE_SIZE;
/// How often the firmware says that it is still there (usbd-ctaphid asks for 80 ms).
const KEEPALIVE: Duration = Duration::from_millis(80);
/// How long a report may be late: while something is under way, and while nothing is.
const SOON: Duration = Duration::from_millis(1);
const IDLE: Duration = Duration::from_millis(20);
/// As a Nitrokey 3 is configured.
const RESIDENT_CREDENTIALS: u32 = 100;
/// Size of each memory: trussed's own.
const MEMORY: u64 = 512 * 128;

/// Ends a wait for a touch when the host takes its request back. The firmware wants it for ever; one is enough, since a
/// process is one key.
static INTERRUPT: InterruptFlag = InterruptFlag::new();
static UNDER_WAY: OptionRefSwap<'static, InterruptFlag> = OptionRefSwap::new(None);

/// Runs until the key is pulled out.
pub fn run(key: &Key, port: &mut dyn Port) -> io::Result<()> {
    let channel = Box::new(Channel::<MESSAGE>::new());
    let (requester, responder) = channel.split().expect("a new channel");
    let [internal, external] = key.memories();
    let mut stores = StoreConfig {
        internal: memory(internal)?,
        external: memory(external)?,
        volatile: StorageConfig::ram(),
    };
    let authenticator = thread::current();
    // Also when this thread panics, the other one has to end.
    let power = Power::default();
    thread::scope(|scope| {
        let _power = power.on();
        let reports = scope.spawn(|| move_reports(key, port, requester, &authenticator, &power));
        stores.with_store(|store| {
            let board = Board::new(store);
            board.run(key, Dispatch::with_interrupt(responder, Some(&UNDER_WAY)), &power);
        });
        power.off();
        reports.join().expect("a panic ends the process")
    })
}

/// A file of full size, erased when new; a key that is killed leaves nothing half, since littlefs survives that.
fn memory(path: PathBuf) -> io::Result<StorageConfig<'static>> {
    match fs::metadata(&path) {
        Ok(found) if found.len() != MEMORY => Err(io::Error::other(format!(
            "{} is no key's memory: it has {} bytes and not {MEMORY}",
            path.display(),
            found.len()
        ))),
        Ok(_) => Ok(StorageConfig::filesystem(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(StorageConfig::filesystem(path)),
        Err(error) => Err(error),
    }
}

/// Whether the threads shall go on.
#[derive(Default)]
struct Power(AtomicBool);

impl Power {
    fn on(&self) -> PowerOn<'_> {
        self.0.store(true, Ordering::Relaxed);
        PowerOn(self)
    }

    fn off(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct PowerOn<'a>(&'a Power);

impl Drop for PowerOn<'_> {
    fn drop(&mut self) {
        self.0.off();
    }
}

// --- reports

fn move_reports(
    key: &Key,
    port: &mut dyn Port,
    requester: Requester<'_, MESSAGE>,
    authenticator: &Thread,
    power: &Power,
) -> io::Result<()> {
    let bus = Bus::default();
    let allocator = UsbBusAllocator::new(bus.clone());
    let mut class = CtapHid::with_interrupt(&allocator, requester, Some(&UNDER_WAY), 0)
        .implements_ctap1()
        .implements_ctap2()
        .implements_wink();
    let ids = UsbVidPid(key.identity.vendor_id, key.identity.product_id);
    let mut device = UsbDeviceBuilder::new(&allocator, ids).build();
    let start = Instant::now();
    let mut next_keepalive = None;

    while power.is_on() && key.is_inserted() {
        let mut moved = false;
        for report in port.receive()? {
            for report in key.line().take_from_host(&report) {
                bus.give(report);
            }
            moved = true;
        }
        for report in key.line().give_to_key() {
            bus.give(report);
            moved = true;
        }
        class.check_timeout(u32::try_from(start.elapsed().as_millis()).unwrap_or(u32::MAX));
        class.check_for_app_response();
        moved |= device.poll(&mut [&mut class]);
        if moved {
            authenticator.unpark();
        }
        if INTERRUPT.is_interrupted() {
            key.body.interrupt();
        }

        if class.pipe().did_start_processing() {
            next_keepalive = Some(Instant::now() + KEEPALIVE);
        }
        if next_keepalive.is_some_and(|next| next <= Instant::now()) {
            let blinks = key.body.next_request(Duration::ZERO).is_some();
            let goes_on = class.pipe().send_keepalive(blinks);
            next_keepalive = goes_on.then(|| Instant::now() + KEEPALIVE);
        }

        while let Some(report) = bus.take() {
            key.line().take_from_key(&report, || key.body.take_last_touch());
        }
        let leaving = key.line().give_to_host();
        for report in &leaving {
            port.send(report)?;
        }
        if !moved && leaving.is_empty() {
            let busy = key.line().is_busy();
            port.wait(if busy { SOON } else { IDLE })?;
        }
    }
    Ok(())
}

// --- the authenticator

/// What the firmware runs on.
struct Board<'a> {
    random: ChaCha8Rng,
    store: Store<'a>,
    surface: UserInterface,
}

impl<'a> Board<'a> {
    fn new(store: Store<'a>) -> Self {
        Self {
            random: ChaCha8Rng::from_entropy(),
            store,
            surface: UserInterface::new(),
        }
    }

    fn run(self, key: &Key, mut dispatch: Dispatch<'_, 'static, MESSAGE>, power: &Power) {
        let channel = Box::new(TrussedChannel::new());
        let (requester, responder) = channel.split().expect("a new channel");
        let endpoint = ServiceEndpoint::new(
            responder,
            CoreContext::with_interrupt(path!("fido").into(), Some(&INTERRUPT)),
            &[BackendId::Custom(BackendIds::StagingBackend), BackendId::Core],
        );
        let service = Services {
            service: Service::with_dispatch(self, Dispatcher::default()),
            endpoints: [endpoint],
        };
        let call = Call(Rc::new(RefCell::new(service)));
        let client = ClientImplementation::<_, Dispatcher>::new(requester, call, Some(&INTERRUPT));
        let mut config = Config::new(MESSAGE);
        config.max_resident_credential_count = Some(RESIDENT_CREDENTIALS);
        let mut authenticator = Authenticator::new(client, Finger(key), config);
        while power.is_on() && key.is_inserted() {
            dispatch.poll(&mut [&mut authenticator]);
            // Also after an answer: until the other thread has taken it, asking for the next request would only keep a core
            // busy, and where there is one core, from that thread.
            thread::park_timeout(IDLE);
        }
    }
}

impl<'a> platform::Platform for Board<'a> {
    type R = ChaCha8Rng;
    type S = Store<'a>;
    type UI = UserInterface;

    fn user_interface(&mut self) -> &mut UserInterface {
        &mut self.surface
    }

    fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.random
    }

    fn store(&self) -> Store<'a> {
        self.store
    }
}

struct Services<'a, 's> {
    service: Service<Board<'s>, Dispatcher>,
    endpoints: [ServiceEndpoint<'a, BackendIds, StagingContext>; 1],
}

/// A call into the firmware's services: done at once, in the caller's thread.
struct Call<'a, 's>(Rc<RefCell<Services<'a, 's>>>);

impl platform::Syscall for Call<'_, '_> {
    fn syscall(&mut self) {
        let services = &mut *self.0.borrow_mut();
        services.service.process(&mut services.endpoints);
    }
}
