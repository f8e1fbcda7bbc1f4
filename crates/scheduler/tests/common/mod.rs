//! What the scheduler's tests share.
#![allow(dead_code)]

use std::sync::mpsc;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use outcrop_core::{Budget, CancelToken, Channels, Event, Extent, Observer, Source};
use outcrop_scheduler::{Input, Runtime, RuntimeOptions};
use outcrop_testkit::{MemorySource, noise};

/// Large enough in bytes that jobs use threads.
pub(crate) const EXTENT: Extent = Extent { height: 601, width: 401, channels: 3 };

/// Noise; of most chunks, but not all, the bytes are at hand.
pub(crate) fn image() -> MemorySource {
    let samples = EXTENT.samples().unwrap() as usize;
    MemorySource::new(EXTENT, &noise::<u16>(samples, 11)).at_hand(|rect| rect.y % 3 != 1)
}

pub(crate) fn input(source: &dyn Source) -> [Input<'_>; 1] {
    let channels = Channels::all(source.image().extent.channels);
    [Input { source, channels }]
}

pub(crate) fn runtime(threads: usize, budget: &Budget) -> Runtime {
    let options = RuntimeOptions { threads, budget: budget.clone(), ..Default::default() };
    Runtime::new(options).unwrap()
}

/// Keeps events; may cancel at the n-th chunk.
#[derive(Default)]
pub(crate) struct Events {
    pub(crate) seen: Mutex<Vec<Event>>,
    pub(crate) cancel: Option<(usize, CancelToken)>,
}

impl Observer for Events {
    fn event(&self, event: Event) {
        let mut seen = self.seen.lock().unwrap();
        seen.push(event);
        if let Some((at, token)) = &self.cancel
            && seen.iter().filter(|e| matches!(e, Event::Advanced { .. })).count() == *at
        {
            token.cancel(2);
        }
    }
}

pub(crate) fn observed(threads: usize, budget: &Budget, cancel_at: usize) -> (Runtime, Arc<Events>) {
    let cancel = CancelToken::new();
    let observer = Arc::new(Events { cancel: Some((cancel_at, cancel.clone())), ..Default::default() });
    let options = RuntimeOptions { threads, budget: budget.clone(), cancel, observer: observer.clone() };
    (Runtime::new(options).unwrap(), observer)
}

/// Injected panics say nothing.
static QUIET: Once = Once::new();

/// Fails the test where `work` does not end in five minutes: a hang must not hang the suite.
pub(crate) fn ends<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    QUIET.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !matches!(panic.payload().downcast_ref::<&str>(), Some(&"injected")) {
                loud(panic);
            }
        }));
    });
    let (done, wait) = mpsc::channel();
    let thread = std::thread::spawn(move || done.send(work()));
    match wait.recv_timeout(Duration::from_secs(300)) {
        Ok(made) => made,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the job hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(_) => unreachable!("the sender is dropped by a panic only"),
        },
    }
}
