//! Why a query does or does not match one item: every stage with its measure and threshold.

use serde::{Deserialize, Serialize};

use super::evidence::Strength;
use super::search::is_distinctive;
use super::{Matcher, local, picture, record, text, weigh};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::fingerprint::{Fingerprint, PartPrints, Sketch};
use crate::index::{DigestKind, PartId, SearchStats};
use crate::media::PartPath;

/// Details that must lie in one pose before a part of a picture is looked at.
const MIN_POSED_DETAILS: f64 = 4.0;

/// What matching of parts of pictures says of one picture of the query and one of the index.
struct Region {
    picture: u32,
    compared: u32,
    agreed: u32,
    share: f64,
    needed: f64,
    score: f64,
}

/// What every stage of matching says of one query and one item: made by [`Matcher::explain`], where an
/// example stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The score of the best stage, 0..=1.
    pub score: f64,
    /// One entry a stage and pair of parts, in the order of the query's parts.
    pub stages: Vec<Stage>,
}

/// One measure of one pair of parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stage {
    /// What was compared: `bytes`, `pixels`, `quality`, `pdq`, `gradient`, `sketch`, `image`,
    /// `region_pose`, `region_details`, `region`, `grams`, `discounted`, `text` or `record`.
    pub stage: String,
    /// The query's part.
    pub part: PartPath,
    /// The item's part.
    pub item_part: PartPath,
    /// What was measured, in the unit that `note` names.
    pub measure: f64,
    /// What the measure must reach, or stay below; see `note`.
    pub threshold: f64,
    /// Whether it does.
    pub passed: bool,
    /// The unit and the rule, for people.
    pub note: String,
}

impl Matcher {
    /// Compares a query with one item, thresholds or not, and tells every stage.
    ///
    /// Costs a search of the index by each picture of the query, and a pass over the item's
    /// parts for each part of the query; for people who ask why, not for the upload path.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) if there is no such item, and as [`find`](Self::find).
    ///
    /// ```
    /// # let index = leakprint::example::memo_index()?;
    /// use leakprint::Matcher;
    ///
    /// let matcher = Matcher::new(index)?;
    /// let query = matcher.query_fingerprinter().fingerprint_text("Lighthouse opens in fourteen territories.")?;
    /// assert!(matcher.find(&query)?.is_empty());
    /// let explanation = matcher.explain("memo.txt", &query)?;
    /// let text = explanation.stages.iter().find(|stage| stage.stage == "text").unwrap();
    /// // So many letters and digits in a row, where 80 would have been enough.
    /// assert!((20.0..40.0).contains(&text.measure) && !text.passed);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn explain(&self, item: &str, query: &Fingerprint) -> Result<Explanation> {
        self.explain_until(item, query, &Deadline::never())
    }

    /// [`explain`](Self::explain), which fails at a deadline as well as after
    /// [`Limits::time_ms`](crate::Limits::time_ms).
    ///
    /// # Errors
    /// As [`explain`](Self::explain), [`Limit`](ErrorKind::Limit) for `time_ms`, and
    /// [`Cancelled`](ErrorKind::Cancelled).
    pub fn explain_until(
        &self,
        item: &str,
        query: &Fingerprint,
        deadline: &Deadline,
    ) -> Result<Explanation> {
        let deadline = &self.query_fingerprinter().deadline(deadline);
        let indexes = self.index_set();
        self.check(query, deadline)?;
        let Some(id) = indexes.item_by_name(item)? else {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("there is no item {item:?}: give a name as it was added"),
            ));
        };
        let mut explanation = Explanation {
            score: 0.0,
            stages: Vec::new(),
        };
        let key = self.query_fingerprinter().local_key();
        let regions = query.parts.iter().map(|part| match &part.raster {
            // Others' claims on a place count too, so the item is not compared alone.
            Some(prints) => {
                let stats = &mut SearchStats::default();
                let verdicts = local::verdicts(indexes, key, prints, deadline, stats)?;
                let region = verdicts.iter().map(|(picture, verdict)| Region {
                    picture: *picture,
                    compared: verdict.compared,
                    agreed: verdict.agreed,
                    share: verdict.share(),
                    needed: verdict.needed(),
                    score: verdict.score(),
                });
                Ok(region.collect())
            }
            None => Ok(Vec::new()),
        });
        let regions: Vec<Vec<Region>> = regions.collect::<Result<_>>()?;
        let (view, id) = indexes.locate_item(id);
        for item_part in view.index.item_parts(id)? {
            let item_part = view.part_in_set(item_part);
            for (part, regions) in query.parts.iter().zip(&regions) {
                deadline.check()?;
                self.explain_digests(part, item_part, &mut explanation)?;
                self.explain_picture(part, item_part, &mut explanation)?;
                self.explain_regions(part, item_part, regions, &mut explanation)?;
                self.explain_text(part, item_part, deadline, &mut explanation)?;
                self.explain_record(part, item_part, deadline, &mut explanation)?;
            }
        }
        Ok(explanation)
    }

    fn explain_digests(
        &self,
        part: &PartPrints,
        item_part: PartId,
        explanation: &mut Explanation,
    ) -> Result<()> {
        for (stage, kind, digest) in [
            ("bytes", DigestKind::Bytes, part.bytes),
            ("pixels", DigestKind::Pixels, part.pixels()),
        ] {
            let Some(digest) = digest else { continue };
            let (view, own) = self.index_set().locate_part(item_part);
            let common = self.index_set().discounts_digest(&digest);
            for hit in view.index.digests().find(&digest) {
                let mut hit = hit?;
                hit.discounted |= common;
                if hit.part != own || hit.kind != kind {
                    continue;
                }
                let tells = is_distinctive(part, self.options().text_floor);
                let note = match (tells, hit.discounted) {
                    (true, false) => "equal digests",
                    (_, true) => "equal digests, but of what ignore or background files have too",
                    (false, false) => "equal digests, but of too little to tell",
                };
                let passed = tells && !hit.discounted;
                if passed {
                    explanation.score = 1.0;
                }
                self.push(
                    explanation,
                    stage,
                    part,
                    item_part,
                    (1.0, 1.0, passed),
                    note,
                )?;
            }
        }
        Ok(())
    }

    fn explain_picture(
        &self,
        part: &PartPrints,
        item_part: PartId,
        explanation: &mut Explanation,
    ) -> Result<()> {
        let (view, own) = self.index_set().locate_part(item_part);
        let pictures = view.index.pictures();
        let (Some(prints), Some(number)) = (&part.raster, pictures.of_part(own)) else {
            return Ok(());
        };
        let item = self.index_set().picture(view, number)?;
        let quality = prints.pdq.quality.min(item.quality);
        let enough = quality >= picture::MIN_QUALITY;
        self.push(
            explanation,
            "quality",
            part,
            item_part,
            (f64::from(quality), f64::from(picture::MIN_QUALITY), enough),
            "PDQ quality of the poorer picture, at least",
        )?;
        let Some(best) = picture::Distances::best(prints, &item) else {
            return Ok(());
        };
        let limits = [
            ("pdq", best.pdq, f64::from(picture::CANDIDATE_RADIUS), 256),
            (
                "gradient",
                best.gradient,
                f64::from(picture::GRADIENT_RADIUS),
                256,
            ),
            (
                "sketch",
                best.sketch,
                picture::sketch_radius(item.texture),
                Sketch::BITS,
            ),
        ];
        for (stage, distance, limit, bits) in limits {
            let measure = f64::from(distance);
            self.push(
                explanation,
                stage,
                part,
                item_part,
                (measure, limit, measure <= limit),
                &format!("bits of {bits} under the best symmetry, at most"),
            )?;
        }
        let score = if enough && best.pdq <= picture::CANDIDATE_RADIUS && !item.discounted {
            best.score(item.texture)
        } else {
            0.0
        };
        let least = self.options().min_strength.min_score();
        let note = if item.discounted {
            "score of the opinion that agrees least, 0 because the item is discounted; at least"
        } else {
            "score of the opinion that agrees least; at least"
        };
        let outcome = (score, least, score >= least);
        self.push(explanation, "image", part, item_part, outcome, note)?;
        explanation.score = explanation.score.max(score);
        Ok(())
    }

    fn explain_regions(
        &self,
        part: &PartPrints,
        item_part: PartId,
        regions: &[Region],
        explanation: &mut Explanation,
    ) -> Result<()> {
        let (view, own) = self.index_set().locate_part(item_part);
        let pictures = view.index.pictures();
        let (Some(prints), Some(number)) = (&part.raster, pictures.of_part(own)) else {
            return Ok(());
        };
        let (_, stored) = view.index.locals().of_picture(number)?;
        if stored.is_empty() || prints.local.prints.is_empty() {
            return Ok(());
        }
        let number_in_set = view.first_picture + number;
        let own = regions
            .iter()
            .filter(|region| region.picture == number_in_set);
        let Some(best) = own.max_by(|a, b| a.score.total_cmp(&b.score)) else {
            let note = if prints.local.pixels.get().is_some() {
                "details of this item lie in one pose, at least: fewer do, or those of other items \
                 do in larger numbers"
            } else {
                "details of this item lie in one pose, at least: not looked for, since a fingerprint \
                 that was stored has no pixels left"
            };
            let outcome = (0.0, MIN_POSED_DETAILS, false);
            return self.push(explanation, "region_pose", part, item_part, outcome, note);
        };
        let compared = f64::from(best.compared);
        self.push(
            explanation,
            "region_details",
            part,
            item_part,
            (compared, 1.0, compared >= 1.0),
            &format!(
                "details of this item that the query could show, at least; it shows {} of them",
                best.agreed
            ),
        )?;
        let discounted = self.index_set().picture(view, number)?.discounted;
        let note = if discounted {
            "share of details that agree, weighed by rarity, but the item is discounted; at least"
        } else {
            "share of details that agree, weighed by rarity and less where there are few; at least"
        };
        let passed = best.share >= best.needed && !discounted;
        let outcome = (best.share, best.needed, passed);
        self.push(explanation, "region", part, item_part, outcome, note)?;
        if !discounted {
            explanation.score = explanation.score.max(best.score);
        }
        Ok(())
    }

    fn explain_text(
        &self,
        part: &PartPrints,
        item_part: PartId,
        deadline: &Deadline,
        explanation: &mut Explanation,
    ) -> Result<()> {
        let Some(prints) = &part.text else {
            return Ok(());
        };
        let source = text::Source {
            fingerprinter: self.query_fingerprinter(),
            part: &part.path,
            prints,
            in_picture: part.raster.is_some(),
            floor: self.options().floor(),
            deadline,
        };
        let shared = text::shared(self.index_set(), &source, item_part)?;
        let floor = shared.floor;
        if shared.grams == 0 {
            return Ok(());
        }
        let needed = weigh::text_distinctive(Strength::Possible.min_score(), floor);
        self.push(
            explanation,
            "grams",
            part,
            item_part,
            (shared.grams as f64, 1.0, true),
            "places of shared grams, at least",
        )?;
        if shared.discounted > 0 {
            self.push(
                explanation,
                "discounted",
                part,
                item_part,
                (f64::from(shared.discounted), 0.0, true),
                "letters and digits of the query that ignore or background files or too many items \
                 have, left out",
            )?;
        }
        let score = if shared.distinctive >= needed {
            weigh::text_score(shared.distinctive, floor)
        } else {
            0.0
        };
        let least = weigh::text_distinctive(self.options().min_strength.min_score(), floor);
        self.push(
            explanation,
            "text",
            part,
            item_part,
            (shared.distinctive, least, shared.distinctive >= least),
            "letters and digits in the best chain, weighed by rarity and by how many items contain the \
             passage, at least",
        )?;
        explanation.score = explanation.score.max(score);
        Ok(())
    }

    fn explain_record(
        &self,
        part: &PartPrints,
        item_part: PartId,
        deadline: &Deadline,
        explanation: &mut Explanation,
    ) -> Result<()> {
        let (view, number) = self.index_set().locate_part(item_part);
        if view.index.cells().rows(number) == 0 || part.cells.is_empty() {
            return Ok(());
        }
        let found = record::search(self.index_set(), &part.cells, deadline)?;
        let own = found.iter().find(|records| records.part == item_part);
        let (surprise, score) = own.map_or((0.0, 0.0), |own| (own.surprise, own.score()));
        let least = weigh::text_distinctive(
            self.options().min_strength.min_score(),
            record::STRONG_SURPRISE,
        );
        self.push(
            explanation,
            "record",
            part,
            item_part,
            (surprise, least, surprise >= least),
            "bits by which values of the same rows surprise, two of a row or more, beyond what chance \
             brings in an index of this size, at least",
        )?;
        explanation.score = explanation.score.max(score);
        Ok(())
    }

    fn push(
        &self,
        explanation: &mut Explanation,
        stage: &str,
        part: &PartPrints,
        item_part: PartId,
        (measure, threshold, passed): (f64, f64, bool),
        note: &str,
    ) -> Result<()> {
        explanation.stages.push(Stage {
            stage: stage.to_owned(),
            part: part.path.clone(),
            item_part: PartPath::from(self.index_set().part(item_part)?.path),
            measure,
            threshold,
            passed,
            note: note.to_owned(),
        });
        Ok(())
    }
}
