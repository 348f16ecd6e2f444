//! Full verification of a file: every checksum, and the invariants that searching relies on.

use super::buckets::{Bucket, LONG_LIST, OverflowFilter, SLOTS};
use super::layout::Section;
use super::records::{DigestRecord, PartRecord};
use super::{Grams, Index, Inner, ItemId, PostingList};
use crate::error::{Error, Result};
use crate::exec::Executor;
use crate::text::GRAM_LEN;

impl Index {
    /// Reads and checks the whole file: the checksum of every section, that the padding between
    /// sections is zero, that lists are sorted, references are valid and names are UTF-8. Detects
    /// any single changed bit. Takes as long as reading and hashing the file, on as many threads
    /// as there are large sections.
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
    /// // Opening reads only the header.
    /// assert!(Index::from_bytes(&bytes)?.verify(&exec).is_err());
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn verify(&self, exec: &Executor) -> Result<()> {
        let inner = &*self.0;
        let sound = exec.map(&Section::ALL, |&section| inner.verify_checksum(section));
        sound.into_iter().collect::<Result<()>>()?;
        // The checksums hold, so a failure from here on is a fault of the writer, or the file was
        // forged by somebody who computed the checksums again.
        let checks: [fn(&Inner) -> Result<()>; 8] = [
            Inner::verify_items,
            Inner::verify_parts,
            Inner::verify_digests,
            Inner::verify_pictures,
            Inner::verify_grams,
            Inner::verify_cells,
            Inner::verify_values,
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
            let what = "the checksum does not match: restore the file, or rebuild it";
            return Err(section.corrupt(what));
        }
        // No checksum covers the bytes up to the next section.
        let next = Section::ALL
            .get(section as usize)
            .map_or(extent.end, |&next| self.layout.extent(next).start);
        let gap = self.bytes.get(extent.end..next).unwrap_or_default();
        if gap.iter().any(|&byte| byte != 0) {
            return Err(section.corrupt("the padding after it is not zero"));
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
                    return Err(Section::Parts
                        .corrupt(format_args!("a part of item {i} names another item")));
                }
            }
        }
        if next != self.meta.parts {
            return Err(Section::Parts.corrupt("parts without an item"));
        }
        // As many names as items, in strictly ascending order, so each item occurs once.
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
        let wrong = |what: &str| -> Error { Section::GramBuckets.corrupt(what) };
        let table = Grams::new(self);
        let mut tallies: Vec<Tally> = self.parts().iter().map(Tally::new).collect();
        let (mut grams, mut discounted) = (0_u32, 0);
        let (mut end, mut last) = (0, None);
        let mut overflow = vec![OverflowFilter::default(); table.buckets().len()];
        for (at, bucket) in table.buckets().iter().enumerate() {
            if bucket.start() != end {
                return Err(wrong("a gap or an overlap between lists"));
            }
            let filled = bucket.lengths.iter().take_while(|&&length| length != 0);
            let filled = filled.count();
            let short = bucket
                .lengths
                .iter()
                .take_while(|&&length| length != LONG_LIST);
            let short = short.count().min(filled);
            if (filled..SLOTS).any(|slot| !bucket.is_empty(slot))
                || (short..filled).any(|slot| bucket.lengths.get(slot) != Some(&LONG_LIST))
            {
                return Err(wrong("slots out of order"));
            }
            let mut places = [(0, 0); SLOTS];
            for (slot, place) in places.iter_mut().enumerate().take(filled) {
                let tag = bucket.tag(slot);
                let home = at.checked_sub(tag.displacement());
                let home = home.filter(|&home| home < self.meta.homes as usize);
                let home = home.ok_or_else(|| wrong("a gram without a home"))?;
                *place = (home, tag.fraction());
                if let Some(overflow) = overflow.get_mut(home)
                    && home < at
                {
                    overflow.add(tag);
                }
                let list = table.list(bucket, slot)?;
                discounted += u32::from(list.discounted());
                let whole = self.verify_list(&list, &mut tallies)?;
                end += whole + if slot < short { 0 } else { 8 };
                if (slot < short) != (whole < u64::from(LONG_LIST)) {
                    return Err(wrong("a list that is marked as long or short wrongly"));
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
        if !overflow
            .into_iter()
            .eq(table.buckets().iter().map(Bucket::overflow))
        {
            return Err(wrong("an overflow filter that is not that of its grams"));
        }
        if end != self.layout.count(Section::Postings) as u64 {
            return Err(wrong("the lists do not fill the postings"));
        }
        if grams != self.meta.grams {
            return Err(wrong("the number of grams is not the declared one"));
        }
        let total: u64 = tallies.iter().map(|tally| u64::from(tally.grams)).sum();
        if total != u64::from(self.meta.postings) {
            return Err(Section::Postings.corrupt("the number of places is not the declared one"));
        }
        if discounted != self.meta.discounted_grams {
            return Err(wrong(
                "the number of discounted grams is not the declared one",
            ));
        }
        let counted = tallies.iter().map(|tally| tally.grams);
        if !self.parts().iter().map(|part| part.grams).eq(counted) {
            return Err(Section::Parts.corrupt("the number of grams is not the declared one"));
        }
        Ok(())
    }

    /// Checks one list and counts its places by part. Returns its length in bytes.
    fn verify_list(&self, list: &PostingList<'_>, tallies: &mut [Tally]) -> Result<u64> {
        let (mut items, mut last_item) = (0, None);
        let mut last = None;
        let mut pairs = list.pairs();
        for pair in &mut pairs {
            let Some((part, at)) = pair else {
                return Err(Section::Postings.corrupt("an invalid list"));
            };
            if last >= Some((part, at)) {
                return Err(Section::Postings.corrupt("places out of order"));
            }
            last = Some((part, at));
            let Some(tally) = tallies.get_mut(part as usize) else {
                return Err(Section::Postings.corrupt("a place in a part that does not exist"));
            };
            if u64::from(at) + GRAM_LEN as u64 > u64::from(tally.folded) {
                return Err(Section::Postings.corrupt("a place outside its text"));
            }
            tally.grams += 1;
            items += u32::from(last_item != Some(tally.item));
            last_item = Some(tally.item);
        }
        if last.is_none() {
            return Err(Section::Postings.corrupt("an empty list"));
        }
        if !list.is_of(items) {
            return Err(Section::GramBuckets.corrupt("a frequency that is not that of its list"));
        }
        Ok(list.bytes_len())
    }
}

/// What the places of a part are checked against, and their count. In one record, since nearly
/// every place reads that of another part.
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
