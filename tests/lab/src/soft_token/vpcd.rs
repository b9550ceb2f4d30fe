//! The wire to the reader: frames of vsmartcard's vpcd driver, with the token as the side that connects.
//!
//! A frame is a length of two bytes, big-endian, and that many bytes. A frame of one byte from the driver is about
//! power or the ATR; any other is an APDU and is answered by data and status word.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use rustix::net::sockopt;

use super::{
    card::{ATR, Card},
    device::Device,
};

/// Frames of one byte (vsmartcard's vpcd.h).
const POWER_OFF: u8 = 0x00;
const POWER_ON: u8 = 0x01;
const RESET: u8 = 0x02;
const GET_ATR: u8 = 0x04;

/// Until the driver listens, or listens again.
const RETRY: Duration = Duration::from_millis(20);

/// pcscd looks for a card every 400 ms. One that is back sooner was never gone for it: programs would go on talking
/// to a card that has forgotten them.
const ABSENCE: Duration = Duration::from_millis(600);

/// So many looks without power say that the absence wasn't noticed.
const LOOKS_BEFORE_POWER: u32 = 3;

/// Serves the card for ever: connects while the token is inserted, and again when the driver comes back.
pub fn serve(card: &mut Card, device: &Device, address: &str) -> ! {
    loop {
        device.body.wait_until_inserted();
        match TcpStream::connect(address) {
            Ok(stream) => {
                // an error is the end of the connection, like a proper end
                let _ = serve_connection(card, device, stream);
                // no power without a reader
                card.reset();
                thread::sleep(ABSENCE);
            }
            Err(_) => thread::sleep(RETRY),
        }
    }
}

fn serve_connection(card: &mut Card, device: &Device, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some(_link) = device.body.attach(Some(stream.try_clone()?)) else {
        // pulled out just now
        return Ok(());
    };
    let mut looks_before_power = Some(0);
    loop {
        let frame = read_frame(&mut stream)?;
        match (frame.as_slice(), &mut looks_before_power) {
            ([POWER_ON], _) => {
                looks_before_power = None;
                card.reset();
                device.body.recognise();
            }
            ([POWER_OFF | RESET], _) => card.reset(),
            // it takes us for the card that was pulled out: leave again, and longer
            ([GET_ATR], Some(LOOKS_BEFORE_POWER)) => return Ok(()),
            ([GET_ATR], looks) => {
                if let Some(looks) = looks {
                    *looks += 1;
                }
                write_frame(&mut stream, &ATR)?;
            }
            (_, Some(_)) => return Ok(()),
            (apdu, None) => {
                let answer = card.transmit(apdu);
                write_frame(&mut stream, &answer)?;
            }
        }
    }
}

fn read_frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    read_at_once(stream, &mut length)?;
    let mut frame = vec![0; usize::from(u16::from_be_bytes(length))];
    read_at_once(stream, &mut frame)?;
    Ok(frame)
}

/// Reads with the next acknowledgement not delayed.
///
/// The driver sends length and content apart, with Nagle's algorithm on: it holds the content back until the length
/// is acknowledged, which costs about 45 ms an APDU. The kernel forgets the option, so it is set before each read.
fn read_at_once(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        sockopt::set_tcp_quickack(&*stream, true)?;
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn write_frame(stream: &mut TcpStream, content: &[u8]) -> io::Result<()> {
    let length = u16::try_from(content.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    // in one piece, for the same reason
    stream.write_all(&[&length.to_be_bytes(), content].concat())
}
