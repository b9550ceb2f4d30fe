//! A USB bus for the firmware's CTAPHID class whose only host is this process: two queues of reports.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use usb_device::{
    Result, UsbDirection, UsbError,
    bus::{PollResult, UsbBus},
    endpoint::{EndpointAddress, EndpointType},
};

use crate::message::{REPORT, Report};

/// See the module's words. Clones share the queues.
#[derive(Clone, Default)]
pub struct Bus(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    to_key: VecDeque<Report>,
    from_key: VecDeque<Report>,
    endpoints: usize,
    /// Endpoints whose report the host has taken, one bit each.
    taken: u16,
}

impl Bus {
    pub fn give(&self, report: Report) {
        self.lock().to_key.push_back(report);
    }

    pub fn take(&self) -> Option<Report> {
        self.lock().from_key.pop_front()
    }

    /// No invariant spans two fields, so a panic elsewhere doesn't spoil the state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UsbBus for Bus {
    fn alloc_ep(
        &mut self,
        direction: UsbDirection,
        address: Option<EndpointAddress>,
        _: EndpointType,
        _: u16,
        _: u8,
    ) -> Result<EndpointAddress> {
        Ok(address.unwrap_or_else(|| {
            let mut state = self.lock();
            state.endpoints += 1;
            EndpointAddress::from_parts(state.endpoints, direction)
        }))
    }

    /// Never `WouldBlock`: usbd-ctaphid 0.5.0 loses an answer of one report whose write is put off, since it holds it for
    /// sent by then. The queue has no end, as the kernel's is drained at once.
    fn write(&self, endpoint: EndpointAddress, data: &[u8]) -> Result<usize> {
        if endpoint.index() != 0 {
            let report = data.try_into().map_err(|_| UsbError::BufferOverflow)?;
            let mut state = self.lock();
            state.from_key.push_back(report);
            state.taken |= 1 << endpoint.index();
        }
        Ok(data.len())
    }

    fn read(&self, _: EndpointAddress, buffer: &mut [u8]) -> Result<usize> {
        let report = self.lock().to_key.pop_front().ok_or(UsbError::WouldBlock)?;
        buffer[..REPORT].copy_from_slice(&report);
        Ok(REPORT)
    }

    fn poll(&self) -> PollResult {
        let mut state = self.lock();
        let ep_in_complete = std::mem::take(&mut state.taken);
        // The class has one endpoint from the host, and allocates it first.
        let ep_out = if state.to_key.is_empty() { 0 } else { 1 << 1 };
        if ep_in_complete | ep_out == 0 {
            return PollResult::None;
        }
        PollResult::Data {
            ep_out,
            ep_in_complete,
            ep_setup: 0,
        }
    }

    fn enable(&mut self) {}
    fn reset(&self) {}
    fn set_device_address(&self, _: u8) {}
    fn set_stalled(&self, _: EndpointAddress, _: bool) {}
    fn is_stalled(&self, _: EndpointAddress) -> bool {
        false
    }
    fn suspend(&self) {}
    fn resume(&self) {}
}
