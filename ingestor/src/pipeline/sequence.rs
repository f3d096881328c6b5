//! Fourth stage: the number of a tick on each of its channels.
//!
//! Owns the count per channel: a jump shows readers that ticks are missing. Must not decide what is
//! a tick.

use super::instruments::AssignedInstruments;

impl AssignedInstruments {
    /// Numbers an accepted tick of `row` on each of its channels.
    #[inline]
    pub(crate) fn sequence(&mut self, row: u32) {
        for output in &mut self.outputs[self.rows[row as usize].outputs.range()] {
            let channel = &mut self.channels[usize::from(output.channel)];
            channel.seq += 1;
            output.seq = channel.seq;
        }
    }

    /// Numbers a held tick of `row` on channels that were added after it was accepted.
    pub(crate) fn sequence_held(&mut self, row: u32) {
        let outputs = &mut self.outputs[self.rows[row as usize].outputs.range()];
        for output in outputs.iter_mut().filter(|output| output.seq == 0) {
            let channel = &mut self.channels[usize::from(output.channel)];
            channel.seq += 1;
            output.seq = channel.seq;
        }
    }
}
