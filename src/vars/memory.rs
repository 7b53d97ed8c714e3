//! The one allocation of a snapshot. In hardened mode it has its own mapping: read-only once published, and made
//! inaccessible instead of freed. So a stray write or a late read crashes at the faulty line.

use std::alloc::{Layout, alloc, dealloc};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

/// Alignment of every arena: that of the engine's own allocator, which its strings and arrays rely on.
const ALIGNMENT: usize = 8;

/// Read at each allocation; a block remembers in which mode it was made.
static HARDENED: AtomicBool = AtomicBool::new(false);

/// Turns hardened mode on or off for later snapshots.
pub fn set_hardened(on: bool) {
    HARDENED.store(on, Ordering::Relaxed);
}

/// Whether hardened mode is on.
pub fn hardened() -> bool {
    HARDENED.load(Ordering::Relaxed)
}

/// The system has no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoMemory;

/// Whether an allocation may be tried: always, except where a test lets it fail.
pub(super) fn may_allocate() -> Result<(), NoMemory> {
    #[cfg(feature = "faults")]
    if crate::faults::hit("memory") {
        return Err(NoMemory);
    }
    Ok(())
}

/// Adds an element. Unlike `Vec::push()` it does not abort the process if the system has no memory.
pub(super) fn push<T>(vec: &mut Vec<T>, element: T) -> Result<(), NoMemory> {
    if vec.len() == vec.capacity() {
        may_allocate()?;
        vec.try_reserve(1).map_err(|_| NoMemory)?;
    }
    vec.push(element);
    Ok(())
}

/// A block of memory that other threads may read once it is sealed.
pub(super) struct Memory {
    base: NonNull<u8>,
    /// As asked for; the block is at least [`ALIGNMENT`] long.
    bytes: usize,
    /// Whether it is a mapping that can be made read-only, and not memory of the allocator.
    mapped: bool,
}

// SAFETY: the holder of this value owns the memory, and nothing writes to it after `seal`.
unsafe impl Send for Memory {}
// SAFETY: as above: shared access is read-only.
unsafe impl Sync for Memory {}

impl Memory {
    /// Zeroed or not, the content is undefined until it is written. `None`: the system has no memory.
    pub(super) fn allocate(bytes: usize) -> Option<Self> {
        may_allocate().ok()?;
        if hardened() { Self::map(bytes) } else { Self::from_heap(bytes) }
    }

    /// The usual way: fast, and shared with everything else.
    fn from_heap(bytes: usize) -> Option<Self> {
        let layout = Layout::from_size_align(bytes.max(ALIGNMENT), ALIGNMENT).ok()?;
        // SAFETY: the layout's size is not zero.
        let base = NonNull::new(unsafe { alloc(layout) })?;
        Some(Self { base, bytes, mapped: false })
    }

    #[cfg(not(miri))]
    fn map(bytes: usize) -> Option<Self> {
        // SAFETY: an anonymous private mapping touches nothing that exists.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes.max(ALIGNMENT),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return None;
        }
        Some(Self { base: NonNull::new(base.cast())?, bytes, mapped: true })
    }

    #[cfg(miri)]
    fn map(bytes: usize) -> Option<Self> {
        Self::from_heap(bytes)
    }

    /// Where the memory starts.
    pub(super) fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// Ends writing: from now on the memory is read-only.
    ///
    /// # Errors The system cannot split the mapping, because the process has the maximum number (`vm.max_map_count`).
    pub(super) fn seal(&self) -> Result<(), NoMemory> {
        if self.mapped {
            may_allocate()?;
            // SAFETY: the mapping is ours and as long as given.
            let result =
                unsafe { libc::mprotect(self.base.as_ptr().cast(), self.bytes.max(ALIGNMENT), libc::PROT_READ) };
            if result != 0 {
                return Err(NoMemory);
            }
        }
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.mapped {
            // SAFETY: the mapping is ours. It stays reserved without access, and its pages are freed: a late reader
            // faults instead of reading other data.
            unsafe {
                libc::mmap(
                    self.base.as_ptr().cast(),
                    self.bytes.max(ALIGNMENT),
                    libc::PROT_NONE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE,
                    -1,
                    0,
                );
            }
        } else if let Ok(layout) = Layout::from_size_align(self.bytes.max(ALIGNMENT), ALIGNMENT) {
            // SAFETY: allocated with this very layout.
            unsafe { dealloc(self.base.as_ptr(), layout) };
        }
    }
}
