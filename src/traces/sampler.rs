//! Which traces are recorded: `OTEL_TRACES_SAMPLER`.

use super::context::TraceContext;

/// Decides for each span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampler {
    /// Whether the decision of a caller is followed.
    pub(super) follows_caller: bool,
    /// The part of the other traces that is recorded, from 0 to 1.
    pub(super) share: f64,
}

impl Sampler {
    /// By the names of the specification, with `OTEL_TRACES_SAMPLER_ARG`.
    ///
    /// # Errors What is wrong with them.
    pub(super) fn named(name: &str, argument: Option<&str>) -> Result<Self, String> {
        let base = name.strip_prefix("parentbased_");
        let share = match base.unwrap_or(name) {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => argument.map_or(Ok(1.0), share)?,
            _ => return Err(format!("OTEL_TRACES_SAMPLER: `{name}` is not known")),
        };
        Ok(Self { follows_caller: base.is_some(), share })
    }

    /// Whether a span of the trace is recorded. As other programs decide, so that they record the same traces.
    pub(super) fn takes(&self, parent: Option<&TraceContext>, trace: &[u8; 16]) -> bool {
        if let Some(parent) = parent.filter(|_| self.follows_caller) {
            return parent.is_sampled();
        }
        let low = u64::from_be_bytes(std::array::from_fn(|at| trace[8 + at])) >> 1;
        self.share >= 1.0 || low < (self.share * (1_u64 << 63) as f64) as u64
    }
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_specification() {
        let caller = |flags: &str| {
            let text = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
            TraceContext::parse(text.as_bytes())
        };
        let (yes, no) = (caller("01"), caller("00"));
        let (low, high) = ([0; 16], [0xff; 16]);
        // Of a trace with a small number, of one with a large number, below a caller that records, below one that does not.
        for (name, argument, expected) in [
            ("always_on", None, [true, true, true, true]),
            ("always_off", None, [false; 4]),
            ("traceidratio", Some("0.5"), [true, false, true, true]),
            ("traceidratio", None, [true; 4]),
            ("parentbased_always_on", None, [true, true, true, false]),
            ("parentbased_always_off", None, [false, false, true, false]),
            ("parentbased_traceidratio", Some("0.5"), [true, false, true, false]),
            ("parentbased_traceidratio", Some("0"), [false, false, true, false]),
        ] {
            let sampler = Sampler::named(name, argument).expect("a known sampler");
            let below = |parent: &Option<TraceContext>| sampler.takes(parent.as_ref(), &low);
            let found = [sampler.takes(None, &low), sampler.takes(None, &high), below(&yes), below(&no)];
            assert_eq!(found, expected, "{name} {argument:?}");
        }
        assert!(Sampler::named("xray", None).is_err());
        assert!(Sampler::named("traceidratio", Some("2")).is_err());
    }
}
