//! [`FaultySource`]: a source that fails, panics or dawdles at one chunk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use outcrop_core::{Channels, Cost, Error, Image, Order, Read, Request, Result, Scratch, Source};

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// An error, [`Error::Format`] saying `injected`.
    Error,
    /// A panic saying `injected`.
    Panic,
    /// Nothing but a delay.
    Delay(Duration),
    /// Nothing, but not before that is true.
    Until(&'static AtomicBool),
}

impl Fault {
    /// Lets it go wrong.
    ///
    /// # Errors
    /// For [`Fault::Error`].
    ///
    /// # Panics
    /// For [`Fault::Panic`].
    pub fn strike(self) -> Result<()> {
        match self {
            Fault::Error => Err(Error::Format("injected".into())),
            Fault::Panic => panic!("injected"),
            Fault::Delay(time) => {
                std::thread::sleep(time);
                Ok(())
            }
            Fault::Until(free) => {
                while !free.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(())
            }
        }
    }
}

/// Where in a source's work a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// In [`Source::fetch`].
    Fetch,
    /// In [`Source::read`].
    Read,
}

/// A source with a fault at every request that holds one pixel.
pub struct FaultySource<S> {
    inner: S,
    when: When,
    pixel: (u64, u64),
    fault: Fault,
}

impl<S: Source> FaultySource<S> {
    /// The fault strikes requests that hold `pixel` (row, column).
    pub fn new(inner: S, when: When, pixel: (u64, u64), fault: Fault) -> FaultySource<S> {
        FaultySource { inner, when, pixel, fault }
    }

    fn strike(&self, when: When, request: &Request<'_>) -> Result<()> {
        let r = request.rect;
        let held = (r.y..r.bottom()).contains(&self.pixel.0) && (r.x..r.right()).contains(&self.pixel.1);
        if when == self.when && held { self.fault.strike() } else { Ok(()) }
    }
}

impl<S: Source> Source for FaultySource<S> {
    fn image(&self) -> &Image {
        self.inner.image()
    }

    fn order(&self) -> Order {
        self.inner.order()
    }

    fn cost(&self, shape: (u64, u64), channels: &Channels) -> Result<Cost> {
        self.inner.cost(shape, channels)
    }

    fn fetch(&self, request: &Request<'_>, scratch: &mut Scratch) -> Result<()> {
        self.strike(When::Fetch, request)?;
        self.inner.fetch(request, scratch)
    }

    fn read<'a>(&'a self, request: &Request<'_>, scratch: &'a mut Scratch) -> Result<Read<'a>> {
        self.strike(When::Read, request)?;
        self.inner.read(request, scratch)
    }

    fn release(&self, request: &Request<'_>) {
        self.inner.release(request);
    }
}
