//! The full check of a file: every checksum, and that the content keeps the
//! promises that searching relies on.

use super::layout::Section;
use super::lines::{LONG, Line, Passed, SLOTS};
use super::records::{DigestRecord, PartRecord};
use super::{Grams, Index, Inner, ItemId, PostingList, frequency};
use crate::error::{Error, Result};
use crate::exec::Executor;
use crate::text::GRAM_LEN;

impl Index {
    /// Reads the whole file and checks all of it: the checksum of every
    /// section, that what lies between sections is zero, that sorted lists are
    /// sorted, references lead somewhere and names are UTF-8. Any single
    /// changed bit is found. Time is that of reading and hashing the file, on
    /// as many threads as there are large sections.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) with the first damage in the order of the file.
    ///
    /// ```
    /// use leakprint::{Executor, Fingerprinter, Index, IndexWriter};
    ///
    /// let exec = Executor::serial();
    /// let fingerprinter = Fingerprinter::builder().build()?;
    /// let mut writer = IndexWriter::from(&fingerprinter);
    /// writer.add("memo.txt", &fingerprinter.fingerprint_text("Nobody is to know before Friday.")?)?;
    /// let mut bytes = writer.to_bytes(&exec)?;
    /// assert!(Index::from_bytes(&bytes)?.verify(&exec).is_ok());
    /// *bytes.last_mut().unwrap() ^= 1;
    /// // Opening reads the header alone.
    /// assert!(Index::from_bytes(&bytes)?.verify(&exec).is_err());
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn verify(&self, exec: &Executor) -> Result<()> {
        let inner = &*self.0;
        let sound = exec.map(&Section::ALL, |&section| inner.verify_checksum(section));
        sound.into_iter().collect::<Result<()>>()?;
        // Only now: what the checksums let through is what was written, so a
        // failure here says that the writer was wrong, or that somebody who
        // can compute checksums was at work.
        let checks: [fn(&Inner) -> Result<()>; 7] = [
            Inner::verify_items,
            Inner::verify_parts,
            Inner::verify_digests,
            Inner::verify_pictures,
            Inner::verify_grams,
            Inner::verify_cells,
            |inner| super::Locals::new(inner).verify(),
        ];
        let sound = exec.map(&checks, |check| check(inner));
        sound.into_iter().collect::<Result<()>>()?;
        inner.verify_codes(exec)
    }
}

impl Inner {
    fn verify_checksum(&self, section: Section) -> Result<()> {
        let extent = self.layout.extent(section);
        let bytes = self.bytes.get(extent.range()).unwrap_or_default();
        if *blake3::hash(bytes).as_bytes() != extent.checksum {
            let what = "the checksum does not hold: restore the file, or make it anew";
            return Err(section.corrupt(what));
        }
        // The bytes up to the next section belong to no checksum.
        let next = Section::ALL
            .get(section as usize)
            .map_or(extent.end, |&next| self.layout.extent(next).start);
        let gap = self.bytes.get(extent.end..next).unwrap_or_default();
        if gap.iter().any(|&byte| byte != 0) {
            return Err(section.corrupt("the padding behind it is not zero"));
        }
        Ok(())
    }

    fn verify_items(&self) -> Result<()> {
        let mut next = 0;
        for i in 0..self.meta.items {
            let range = self.part_range(ItemId(i))?;
            if range.start != next {
                return Err(Section::Items.corrupt(format_args!("a gap before item {i}")));
            }
            next = range.end;
            for part in self
                .parts()
                .get(range.start as usize..range.end as usize)
                .unwrap_or_default()
            {
                if part.item != i {
                    return Err(
                        Section::Parts.corrupt(format_args!("a part of item {i} denies it"))
                    );
                }
            }
        }
        if next != self.meta.parts {
            return Err(Section::Parts.corrupt("parts of no item"));
        }
        // Strictly ascending names of as many items as there are: each item once.
        let mut last = None;
        for &item in self.slice::<u32>(Section::ItemOrder) {
            let item = self.checked_item(Section::ItemOrder, item)?;
            let record = self.items().get(item.index());
            let name = record
                .map(|r| self.string(Section::Items, r.name_at, r.name_len))
                .transpose()?;
            if last.is_some() && last >= Some(name) {
                return Err(Section::ItemOrder.corrupt("names out of order"));
            }
            last = Some(name);
        }
        Ok(())
    }

    fn verify_parts(&self) -> Result<()> {
        for part in self.parts() {
            self.string(Section::Parts, part.path_at, part.path_len)?;
            let anchors = self.anchors(part)?;
            if !anchors.is_sorted() || anchors.last() > Some(&part.chars) {
                return Err(Section::Anchors.corrupt("offsets out of order"));
            }
        }
        Ok(())
    }

    fn verify_digests(&self) -> Result<()> {
        let digests: &[[u8; 32]] = self.slice(Section::Digests);
        let refs: &[DigestRecord] = self.slice(Section::DigestRefs);
        let mut last = None;
        for (digest, record) in digests.iter().zip(refs) {
            let hit = record.hit(self)?;
            let key = Some((digest, hit.kind, hit.part));
            if last >= key {
                return Err(Section::Digests.corrupt("entries out of order"));
            }
            last = key;
        }
        Ok(())
    }

    fn verify_pictures(&self) -> Result<()> {
        let pictures = super::Pictures::new(self);
        let mut last = None;
        for i in 0..self.meta.pictures {
            let part = Some(pictures.get(i)?.part);
            if last >= part {
                return Err(Section::Pictures.corrupt("parts out of order"));
            }
            last = part;
        }
        Ok(())
    }

    fn verify_codes(&self, exec: &Executor) -> Result<()> {
        for (section, set) in [
            (Section::PdqCodes, &self.pdq),
            (Section::GradientCodes, &self.gradient),
        ] {
            set.verify(self.section(section), exec)
                .map_err(|e| section.corrupt(e.message()))?;
        }
        Ok(())
    }

    fn verify_grams(&self) -> Result<()> {
        let wrong = |what: &str| -> Error { Section::GramLines.corrupt(what) };
        let table = Grams::new(self);
        let mut tallies: Vec<Tally> = self.parts().iter().map(Tally::new).collect();
        let (mut grams, mut discounted) = (0_u32, 0);
        let (mut end, mut last) = (0, None);
        let mut passed = vec![Passed::default(); table.lines().len()];
        for (at, line) in table.lines().iter().enumerate() {
            if line.start() != end {
                return Err(wrong("lists that do not follow one another"));
            }
            let filled = line.lengths.iter().take_while(|&&length| length != 0);
            let filled = filled.count();
            let short = line.lengths.iter().take_while(|&&length| length != LONG);
            let short = short.count().min(filled);
            if (filled..SLOTS).any(|slot| !line.is_empty(slot))
                || (short..filled).any(|slot| line.lengths.get(slot) != Some(&LONG))
            {
                return Err(wrong("slots out of order"));
            }
            let mut places = [(0, 0); SLOTS];
            for (slot, place) in places.iter_mut().enumerate().take(filled) {
                let tag = line.tag(slot);
                let home = at.checked_sub(tag.displacement());
                let home = home.filter(|&home| home < self.meta.homes as usize);
                let home = home.ok_or_else(|| wrong("a gram that has no home"))?;
                *place = (home, tag.fraction());
                if let Some(passed) = passed.get_mut(home)
                    && home < at
                {
                    passed.add(tag);
                }
                let list = table.list(line, slot)?;
                discounted += u32::from(list.discounted());
                let whole = self.verify_list(&list, &mut tallies)?;
                end += whole + if slot < short { 0 } else { 8 };
                if (slot < short) != (whole < u64::from(LONG)) {
                    return Err(wrong("a short list that is called long"));
                }
            }
            grams += filled as u32;
            let places = places.get_mut(..filled).unwrap_or_default();
            places.sort_unstable();
            for &place in &*places {
                if last >= Some(place) {
                    return Err(wrong("grams out of order"));
                }
                last = Some(place);
            }
        }
        if !passed
            .into_iter()
            .eq(table.lines().iter().map(Line::passed))
        {
            return Err(wrong("a line does not say which of its grams passed"));
        }
        if end != self.layout.count(Section::Postings) as u64 {
            return Err(wrong("the lists are not all postings"));
        }
        if grams != self.meta.grams {
            return Err(wrong("the grams are not as many as declared"));
        }
        let total: u64 = tallies.iter().map(|tally| u64::from(tally.grams)).sum();
        if total != u64::from(self.meta.postings) {
            return Err(Section::Postings.corrupt("the postings are not as many as declared"));
        }
        if discounted != self.meta.discounted_grams {
            return Err(wrong("the discounts are not as many as declared"));
        }
        let counted = tallies.iter().map(|tally| tally.grams);
        if !self.parts().iter().map(|part| part.grams).eq(counted) {
            return Err(Section::Parts.corrupt("the grams are not as many as declared"));
        }
        Ok(())
    }

    /// Checks one list and counts its places by part; gives its length in bytes.
    fn verify_list(&self, list: &PostingList<'_>, tallies: &mut [Tally]) -> Result<u64> {
        let (mut items, mut last_item) = (0, None);
        let mut last = None;
        let mut pairs = list.pairs();
        for pair in &mut pairs {
            let Some((part, at)) = pair else {
                return Err(Section::Postings.corrupt("a list that is none"));
            };
            if last >= Some((part, at)) {
                return Err(Section::Postings.corrupt("places out of order"));
            }
            last = Some((part, at));
            let Some(tally) = tallies.get_mut(part as usize) else {
                return Err(Section::Postings.corrupt("a place in no part"));
            };
            if u64::from(at) + GRAM_LEN as u64 > u64::from(tally.folded) {
                return Err(Section::Postings.corrupt("a place outside of its text"));
            }
            tally.grams += 1;
            items += u32::from(last_item != Some(tally.item));
            last_item = Some(tally.item);
        }
        if last.is_none() {
            return Err(Section::Postings.corrupt("an empty list"));
        }
        if list.frequency_code() != frequency::encode(items) {
            return Err(Section::GramLines.corrupt("a frequency is not that of its list"));
        }
        Ok(list.bytes_len())
    }
}

/// What the places of a part are checked against, and how many there are: together, since every
/// place of every list asks for another part.
struct Tally {
    item: u32,
    folded: u32,
    grams: u32,
}

impl Tally {
    fn new(part: &PartRecord) -> Self {
        Self {
            item: part.item,
            folded: part.folded,
            grams: 0,
        }
    }
}
