//! The full check of a file: every checksum, and that the content keeps the
//! promises that searching relies on.

use super::layout::Section;
use super::postings::{bucket, count_items};
use super::records::{DigestRecord, GRAM_DISCOUNTED};
use super::varint::Pairs;
use super::{Index, Inner, ItemId, PartId, frequency};
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
    pub fn verify(&self, exec: &Executor) -> Result<()> {
        let inner = &*self.0;
        let sound = exec.map(&Section::ALL, |&section| inner.verify_checksum(section));
        sound.into_iter().collect::<Result<()>>()?;
        // Only now: what the checksums let through is what was written, so a
        // failure here says that the writer was wrong, or that somebody who
        // can compute checksums was at work.
        let checks: [fn(&Inner) -> Result<()>; 6] = [
            Inner::verify_items,
            Inner::verify_parts,
            Inner::verify_digests,
            Inner::verify_pictures,
            Inner::verify_grams,
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
            return Err(section.corrupt("the checksum does not hold"));
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
        let keys: &[u64] = self.slice(Section::GramKeys);
        let lists: &[u32] = self.slice(Section::GramLists);
        let weights: &[u8] = self.slice(Section::GramWeights);
        let postings: &[u8] = self.slice(Section::Postings);

        if !keys.is_sorted_by(|a, b| a < b) {
            return Err(Section::GramKeys.corrupt("keys out of order"));
        }
        self.verify_directory(keys)?;
        let all = u32::try_from(postings.len()).ok();
        if lists.first() != Some(&0) || lists.last().copied() != all {
            return Err(Section::GramLists.corrupt("the lists are not all postings"));
        }
        let mut grams_of_part = vec![0_u32; self.parts().len()];
        let mut discounted = 0;
        let mut parts = Vec::new();
        for (list, &weight) in lists.windows(2).zip(weights) {
            let &[start, end] = list else { continue };
            let Some(bytes) = postings.get(start as usize..end as usize) else {
                return Err(Section::GramLists.corrupt("lists out of order"));
            };
            if bytes.is_empty() {
                return Err(Section::GramLists.corrupt("an empty list"));
            }
            parts.clear();
            let mut last = None;
            for pair in Pairs::new(bytes) {
                let Some((part, at)) = pair else {
                    return Err(Section::Postings.corrupt("a list that is none"));
                };
                if last >= Some((part, at)) {
                    return Err(Section::Postings.corrupt("places out of order"));
                }
                last = Some((part, at));
                let part = self.checked_part(Section::Postings, part)?;
                self.verify_place(part, at)?;
                if let Some(count) = grams_of_part.get_mut(part.index()) {
                    *count += 1;
                }
                parts.push(part.0);
            }
            let frequency = frequency::encode(count_items(&parts, self.parts()));
            if weight & !GRAM_DISCOUNTED != frequency {
                return Err(Section::GramWeights.corrupt("a frequency is not that of its list"));
            }
            discounted += u32::from(weight & GRAM_DISCOUNTED != 0);
        }
        let total: u64 = grams_of_part.iter().map(|&count| u64::from(count)).sum();
        if total != u64::from(self.meta.postings) {
            return Err(Section::Postings.corrupt("the postings are not as many as declared"));
        }
        if discounted != self.meta.discounted_grams {
            return Err(Section::GramWeights.corrupt("the discounts are not as many as declared"));
        }
        if !self.parts().iter().map(|part| part.grams).eq(grams_of_part) {
            return Err(Section::Parts.corrupt("the grams are not as many as declared"));
        }
        Ok(())
    }

    fn verify_place(&self, part: PartId, at: u32) -> Result<()> {
        match self.parts().get(part.index()) {
            Some(record) if u64::from(at) + GRAM_LEN as u64 <= u64::from(record.folded) => Ok(()),
            _ => Err(Section::Postings.corrupt("a place outside of its text")),
        }
    }

    /// Every key must lie in the bucket that its leading bits select.
    fn verify_directory(&self, keys: &[u64]) -> Result<()> {
        let wrong =
            || -> Error { Section::GramDirectory.corrupt("an entry is not that of its keys") };
        let directory: &[u32] = self.slice(Section::GramDirectory);
        if directory.first() != Some(&0) || directory.last() != Some(&self.meta.grams) {
            return Err(wrong());
        }
        for (entry, bounds) in directory.windows(2).enumerate() {
            let &[start, end] = bounds else { continue };
            let bucket_keys = keys.get(start as usize..end as usize).ok_or_else(wrong)?;
            let bits = self.meta.directory_bits;
            if bucket_keys.iter().any(|&key| bucket(key, bits) != entry) {
                return Err(wrong());
            }
        }
        Ok(())
    }
}
