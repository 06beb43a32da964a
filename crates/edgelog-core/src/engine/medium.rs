//! What segments live on.

use super::both;
use crate::geometry::Geometry;

/// A device that holds segments. The engine's only way to bytes.
///
/// # For those who implement it
///
/// - Reading a range that was erased and not programmed since gives the erased value.
/// - [`program`](Self::program) is called with positions and lengths that are multiples of the program word. Where
///   [`is_write_once`](Self::is_write_once) says so, no word is programmed twice between two erases.
/// - Reads and programs never cross the end of a segment.
///
/// # For those who use it
///
/// After a power cut, only what a returned [`sync`](Self::sync) covered may be relied upon.
#[both(AFIT)]
#[allow(async_fn_in_trait, reason = "drivers of one device run on one executor: no Send is needed")]
pub trait Medium {
    /// What can go wrong on the device.
    type Error: core::error::Error + 'static;

    /// Sizes, fixed for the lifetime of the value.
    fn geometry(&self) -> Geometry;

    /// Whether a programmed word takes no second program before the next erase, as on NOR flash. The engine then goes on
    /// behind the bytes that a power cut tore, and leaves one unit blank, because the word that was being programmed may
    /// read as erased. On a file it is false: torn bytes are written over.
    fn is_write_once(&self) -> bool {
        true
    }

    /// Whether `error` says that the bytes of that read are lost, as an uncorrectable ECC error does: reading them again gives
    /// the same. The engine takes them for damage and goes on. False by default: the device failed, nothing is known.
    fn is_unreadable(&self, error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// All bytes of segment `slot`, when the device is mapped into memory (a mapped file, execute-in-place flash): records are then
    /// [read in place](super::Log::read_in_place). They read as [`read`](Self::read) would, and stay as they are for as long as they
    /// are borrowed. `None` by default: every read copies. Segments that are not mapped are read; whether one is may change when its first byte is read.
    fn mapped(&self, slot: u32) -> Option<&[u8]> {
        let _ = slot;
        None
    }

    /// Fills `bytes` from `position` of segment `slot`.
    ///
    /// Power loss: changes nothing on the medium.
    ///
    /// # Errors
    ///
    /// The device could not read. The engine returns the error and keeps its state.
    async fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8])
    -> Result<(), Self::Error>;

    /// Programs `bytes` at `position` of segment `slot`.
    ///
    /// Power loss: until the next `sync` has returned, the bytes of this range are undefined after a cut. Others are not touched.
    ///
    /// # Errors
    ///
    /// The device could not program; the range is undefined. The engine then refuses further appends until the log is mounted again.
    async fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Memory of the medium's own, of at least `length` bytes with any content, in which the engine composes what it is about to program at
    /// `position` of segment `slot`, so that media which keep it are spared a copy. Nothing of it is the segment's before it is
    /// [programmed](Self::program_lent), which may never come. `None` by default: the log's frame buffer is used, and
    /// [`program`](Self::program).
    fn lend(&mut self, slot: u32, position: u32, length: u32) -> Option<&mut [u8]> {
        let _ = (slot, position, length);
        None
    }

    /// As [`program`](Self::program), of the first `length` bytes of what was [lent](Self::lend) last, for the same place. Not called of media
    /// that lend nothing.
    ///
    /// # Errors
    ///
    /// As [`program`](Self::program).
    fn program_lent(&mut self, slot: u32, position: u32, length: u32) -> Result<(), Self::Error> {
        let _ = (slot, position, length);
        Ok(())
    }

    /// Makes the whole segment `slot` read as the erased value.
    ///
    /// Power loss: the segment is undefined after a cut. The engine never erases a segment with records that a cursor still needs,
    /// as the cursor stands in memory; a commit that found no room on the medium may be lost by the cut, the records were done.
    ///
    /// # Errors
    ///
    /// The device could not erase (on files: no space, no permission). Nothing that the log needs was touched; the caller may try again.
    async fn erase(&mut self, slot: u32) -> Result<(), Self::Error>;

    /// Gives the space of segment `slot` back: it is not needed before it is [erased](Self::erase) again, and reads as the erased value
    /// until then. Erases by default; files are removed.
    ///
    /// Power loss: until the next `sync` has returned, the segment is undefined after a cut. Its records were let go.
    ///
    /// # Errors
    ///
    /// The device could not. Nothing that the log needs was touched; the caller may try again.
    async fn discard(&mut self, slot: u32) -> Result<(), Self::Error> {
        self.erase(slot).await
    }

    /// Whether there is space to [erase](Self::erase) segment `slot`, which is then kept for that. Asked when the log is about to need it,
    /// and taken for a full log where not, so that what a full log keeps in reserve is not spent. True by default: media whose segments
    /// are all theirs always have it.
    ///
    /// # Errors
    ///
    /// The device could not tell; nothing was changed.
    fn claim(&mut self, slot: u32) -> Result<bool, Self::Error> {
        let _ = slot;
        Ok(true)
    }

    /// A slot that probably holds a segment of the log: a large ring that [gave up](super::Log::evict) old segments has them in few places, and
    /// mounting reads all headers when it does not know one. 0, which is where a ring begins, by default. A wrong one costs reads.
    fn likely_slot(&self) -> u32 {
        0
    }

    /// Says that segment `slot` may hold bytes that an owner before this one programmed and did not sync: the next `sync` must
    /// cover them. Media whose programs are durable at once need not care.
    fn adopt(&mut self, slot: u32) {
        let _ = slot;
    }

    /// Returns when everything programmed and erased so far survives a power cut.
    ///
    /// # Errors
    ///
    /// What is durable is unknown beyond the last successful sync. The engine then refuses further appends until the log is mounted again.
    async fn sync(&mut self) -> Result<(), Self::Error>;

    /// Orders programs: nothing that is programmed after it survives a power cut that anything which was programmed before it does not
    /// survive. It need not wait for the device: a medium that holds back what comes later until what came before is durable can return
    /// at once. Erases may come before it. A [`sync`](Self::sync) by default.
    ///
    /// Whoever mounts the medium next, without a power cut between, takes a segment's header for a sign that everything before it is durable.
    /// So what is behind a barrier must not outlive its owner before what is in front of it is durable: a medium that only orders writes,
    /// in a device that goes on when the owner dies, has to sync.
    ///
    /// # Errors
    ///
    /// As [`sync`](Self::sync); what fails after it has returned is the error of the next program or sync, and of all that follow.
    async fn barrier(&mut self) -> Result<(), Self::Error> {
        self.sync().await
    }

    /// Whether everything that was programmed before the last [`barrier`](Self::barrier) survives a power cut by now. True by default.
    fn is_past_barrier(&self) -> bool {
        true
    }
}

/// A medium that is only lent: its owner has it again when the log is dropped.
#[both(AFIT)]
impl<M: Medium> Medium for &mut M {
    type Error = M::Error;

    fn geometry(&self) -> Geometry {
        (**self).geometry()
    }

    fn is_write_once(&self) -> bool {
        (**self).is_write_once()
    }

    fn is_unreadable(&self, error: &Self::Error) -> bool {
        (**self).is_unreadable(error)
    }

    fn mapped(&self, slot: u32) -> Option<&[u8]> {
        (**self).mapped(slot)
    }

    async fn read(
        &mut self,
        slot: u32,
        position: u32,
        bytes: &mut [u8],
    ) -> Result<(), Self::Error> {
        (**self).read(slot, position, bytes).await
    }

    async fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        (**self).program(slot, position, bytes).await
    }

    fn lend(&mut self, slot: u32, position: u32, length: u32) -> Option<&mut [u8]> {
        (**self).lend(slot, position, length)
    }

    fn program_lent(&mut self, slot: u32, position: u32, length: u32) -> Result<(), Self::Error> {
        (**self).program_lent(slot, position, length)
    }

    async fn erase(&mut self, slot: u32) -> Result<(), Self::Error> {
        (**self).erase(slot).await
    }

    async fn discard(&mut self, slot: u32) -> Result<(), Self::Error> {
        (**self).discard(slot).await
    }

    fn claim(&mut self, slot: u32) -> Result<bool, Self::Error> {
        (**self).claim(slot)
    }

    fn likely_slot(&self) -> u32 {
        (**self).likely_slot()
    }

    fn adopt(&mut self, slot: u32) {
        (**self).adopt(slot);
    }

    async fn sync(&mut self) -> Result<(), Self::Error> {
        (**self).sync().await
    }

    async fn barrier(&mut self) -> Result<(), Self::Error> {
        (**self).barrier().await
    }

    fn is_past_barrier(&self) -> bool {
        (**self).is_past_barrier()
    }
}
