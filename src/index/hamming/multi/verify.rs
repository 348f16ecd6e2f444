//! Verification that the tables of a file are those of its codes.

use super::permute::{CHUNKS, chunk};
use super::run::pack;
use super::{MultiIndex, VALUES};
use crate::exec::Executor;

impl MultiIndex<'_> {
    /// Checks that the tables are, bit by bit, those that would be built from the codes. Does not
    /// check that all repetitions are known, on which only the size depends.
    pub(in crate::index::hamming) fn verify(&self, exec: &Executor) -> Result<(), &'static str> {
        let mut repeated = vec![false; self.codes.len()];
        let mut last = None;
        for &pair in self.duplicates {
            let [first, later] = pair.map(|id| id as usize);
            let equal = self.codes.get(first).is_some()
                && self.codes.get(first) == self.codes.get(later)
                && first < later
                && last < Some(pair);
            // Sorted, so that a repeated code comes before its repetitions.
            if !equal {
                return Err("a repetition of a different code");
            }
            last = Some(pair);
            match repeated.get_mut(later) {
                Some(repeated) if !*repeated => *repeated = true,
                _ => return Err("a code is listed twice as a repetition"),
            }
        }
        if self
            .duplicates
            .iter()
            .any(|[first, _]| repeated[*first as usize])
        {
            return Err("a first code is a repetition");
        }
        let tables: Vec<usize> = (0..CHUNKS).collect();
        let sound = exec.map(&tables, |&table| self.verify_table(table, &repeated));
        sound.into_iter().collect()
    }

    fn verify_table(&self, table: usize, repeated: &[bool]) -> Result<(), &'static str> {
        let starts = self.starts_of(table);
        let words = self.words_of(table);
        if starts.first() != Some(&0) || starts.last().copied() != u32::try_from(words.len()).ok() {
            return Err("the runs do not fill their table");
        }
        let mut found = 0;
        let (mut postings, mut copy) = (Vec::new(), Vec::new());
        for value in 0..VALUES {
            let run = self.run(starts, value as u16);
            let words_of_run = match starts.get(value..) {
                Some(&[start, end, ..]) => words.get(start as usize..end as usize),
                _ => None,
            };
            let words_of_run = words_of_run.ok_or("runs out of order")?;
            if self.shape().words(run.len as usize) != words_of_run.len() {
                return Err("a run of invalid length");
            }
            postings.clear();
            let mut last = None;
            for i in 0..run.len {
                let id = self.shape().id(words, run, i);
                let Some(code) = self.codes.get(id as usize) else {
                    return Err("a posting without a code");
                };
                if last >= Some(id) || repeated[id as usize] {
                    return Err("postings out of order");
                }
                last = Some(id);
                if usize::from(chunk(code, table)) != value {
                    return Err("a posting in the run of another value");
                }
                postings.push(pack(0, chunk(code, (table + 1) % CHUNKS), id));
            }
            found += postings.len();
            copy.clear();
            copy.resize(words_of_run.len(), 0);
            self.shape().encode(&mut copy, &postings);
            if copy != words_of_run {
                return Err("a run that is not that of its codes");
            }
        }
        if found != self.distinct || found + self.duplicates.len() != self.codes.len() {
            return Err("a code without a posting");
        }
        Ok(())
    }
}
