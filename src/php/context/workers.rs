//! What a script does with background workers: waits for them, publishes, reads.

use super::Context;
use crate::ffi::{self, igor_verdict};
use crate::php::cutoff::Cutoff;
use crate::php::reading::reading;
use crate::php::spans;
use crate::php::work::{Failure, Phase, Scope, Update, Wait};
use crate::vars::{Budget, Policy, Serve, Slot, Snapshot};
use std::sync::Arc;
use std::time::Duration;

impl Context {
    pub(in crate::php) fn clear_names(&mut self) {
        self.names.clear();
    }

    /// Copied, because C may free the name after the call.
    pub(in crate::php) fn add_name(&mut self, name: &[u8]) {
        self.names.push(name.to_vec());
    }

    /// Sends an update to the added names as topics. Its identifier is the text.
    pub(in crate::php) fn send_update(&mut self, update: Update) -> igor_verdict {
        let names = std::mem::take(&mut self.names);
        let Some(scope) = self.scope.clone() else { return self.fail(no_scope()) };
        let topics = names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        match scope.send_update(Update { topics, ..update }) {
            Ok(id) => {
                self.text = id.into_bytes();
                igor_verdict::IGOR_OK
            }
            Err(failure) => {
                self.fail(Failure { message: format!("mercure_publish(): {}", failure.message), ..failure })
            }
        }
    }

    /// Waits until the worker of this name has published something.
    pub(in crate::php) fn require(&mut self, name: &[u8], (timeout, phase): (Duration, Phase)) -> igor_verdict {
        self.await_workers((timeout, phase), |scope, wait, caller| scope.require(name, wait, caller))
    }

    /// Calls `wait_in` with the script's scope, and with the name of the calling background worker.
    fn await_workers(
        &mut self,
        (timeout, phase): (Duration, Phase),
        wait_in: impl FnOnce(&dyn Scope, Wait<'_>, Option<&[u8]>) -> Result<(), Failure>,
    ) -> igor_verdict {
        let Some(scope) = self.scope.clone() else { return self.fail(no_scope()) };
        let wait = Wait { timeout, phase, cutoff: Cutoff::of(&self.member) };
        let result = wait_in(&*scope, wait, self.work.slot().map(|slot| slot.name()));
        self.settle(result)
    }

    /// Starts the workers of the added names, and waits until all of them are ready.
    pub(in crate::php) fn ensure(&mut self, (timeout, phase): (Duration, Phase)) -> igor_verdict {
        let names = std::mem::take(&mut self.names);
        self.await_workers((timeout, phase), |scope, wait, caller| scope.ensure(&names, wait, caller))
    }

    /// Compares first: publishing what is there already copies nothing, and the version stays.
    pub(in crate::php) fn publish(&mut self, array: *const crate::vars::layout::ZArray) -> igor_verdict {
        let Some(slot) = self.work.slot() else {
            return self.fail(Failure::runtime("frankenphp_set_vars() can only be called in a background worker"));
        };
        let objects = crate::php::objects::EngineObjects;
        // SAFETY: the array is an argument of the running call on this thread: it lives, and no one writes to it.
        if slot.current().is_some_and(|current| unsafe { current.snapshot.equals(array, &objects) }) {
            slot.count_unchanged();
            self.work.published(None);
            return igor_verdict::IGOR_OK;
        }
        let mut span = spans::of_publish(slot.name(), self.trace());
        // SAFETY: as above.
        match unsafe { Snapshot::copy_of(array, &objects, self.limits) } {
            Ok(snapshot) => {
                let bytes = snapshot.bytes();
                #[cfg(feature = "faults")]
                crate::faults::panic_at("publish copied");
                if let Some(why) = self.work.refuses(snapshot.bytes()) {
                    return self.fail(Failure::value(format!("frankenphp_set_vars(): {why}")));
                }
                let (version, replaced) = slot.publish(snapshot);
                if let Some(replaced) = replaced {
                    crate::vars::retire(replaced.snapshot);
                }
                if let Some(span) = &mut span {
                    spans::note_version(span, version, bytes);
                }
                self.work.published(Some(version));
                igor_verdict::IGOR_OK
            }
            Err(refusal) => {
                if let Some(span) = &mut span {
                    span.fail("the array cannot be published");
                }
                self.fail(Failure::of_refusal("frankenphp_set_vars()", &refusal))
            }
        }
    }

    /// Pins the newest snapshot of a worker for the rest of the PHP request.
    pub(in crate::php) fn read(&mut self, name: &[u8]) -> Result<ffi::igor_reading, Failure> {
        let slot = self.scope.as_ref().ok_or_else(no_scope)?.slot(name)?;
        self.read_from(&slot)
    }

    /// Reads again from a slot that this PHP request has read before. The address is compared with those, never
    /// dereferenced.
    pub(in crate::php) fn read_slot(&mut self, slot: *const Slot) -> Result<ffi::igor_reading, Failure> {
        let slot = self.pins.held(slot).ok_or_else(no_scope)?;
        // A reload may have removed or replaced the worker since.
        if slot.is_withdrawn() { self.read(slot.name()) } else { self.read_from(&slot) }
    }

    /// Warns if a budget forces this read to copy.
    fn read_from(&mut self, slot: &Arc<Slot>) -> Result<ffi::igor_reading, Failure> {
        let name = slot.name();
        let Some((published, serve)) = self.pins.read(slot) else {
            return Err(self.scope.as_ref().map_or_else(no_scope, |scope| scope.nothing_published(name)));
        };
        if let Serve::CopiedForBudget(budget) = serve {
            self.tell_over_budget(name, budget);
        }
        Ok(reading(slot, &published, serve))
    }

    /// One warning for each script, worker and budget, because after that every read may exceed it.
    fn tell_over_budget(&mut self, worker: &[u8], budget: Budget) {
        let Some(script) = self.run.as_ref().map(|run| run.script.to_bytes()) else { return };
        if self.pins.copy_budget().tell_once(script, worker, budget) {
            let text = over_budget(worker, script, budget, self.pins.policy());
            self.work.log(4, &text);
        }
    }

    /// Bytes of the newest snapshot of a worker; 0: none.
    #[cfg(feature = "bench")]
    pub(in crate::php) fn snapshot_bytes(&self, name: &[u8]) -> usize {
        let slot = self.scope.as_ref().and_then(|scope| scope.slot(name).ok());
        slot.and_then(|slot| slot.current()).map_or(0, |published| published.snapshot.bytes())
    }

    /// See [`crate::php::launder`].
    #[cfg(feature = "launder")]
    pub(in crate::php) fn launder(
        &mut self,
        site: u64,
        array: *const crate::vars::layout::ZArray,
    ) -> Option<ffi::igor_reading> {
        // SAFETY: the array belongs to the running call on this thread: it lives, and no one writes to it.
        unsafe { self.laundry.launder(site, array, self.limits, &mut self.pins) }
    }

    /// The copy of this root is complete, so its snapshot need not be held any longer.
    pub(in crate::php) fn read_done(&mut self, root: *const crate::vars::layout::ZArray) {
        self.pins.copied(root);
    }
}

/// The failure of scripts that run without a configuration, as by `igor-php`.
pub(in crate::php) fn no_scope() -> Failure {
    Failure::runtime("background workers cannot be used here: this script runs outside of every scope")
}

/// The warning that names the budget and the setting that raises it.
fn over_budget(worker: &[u8], script: &[u8], budget: Budget, policy: &Policy) -> String {
    let (whose, setting, bytes) = match budget {
        Budget::Thread => ("this script", "thread_budget_bytes", policy.thread_budget_bytes),
        Budget::Process => ("all worker scripts together", "process_budget_bytes", policy.process_budget_bytes),
    };
    format!(
        "snapshots of background worker \"{}\" are copied for {} from now on: replaced versions that {whose} may still hold \
         have used up {setting} ({bytes} bytes); publish less often, raise {setting} in the vars block, or let the script \
         end now and then (this is told once)",
        String::from_utf8_lossy(worker),
        String::from_utf8_lossy(script),
    )
}
