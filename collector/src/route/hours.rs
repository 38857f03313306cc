//! Hours of the week, in UTC: `mon-fri 08:00-18:00`.

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Hours of some days of a week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    text: String,
    days: [bool; 7],
    /// Minutes of the day; where the end is before the begin, it is the next day's.
    from: u32,
    until: u32,
}

impl Hours {
    /// `mon-fri 08:00-18:00`, `sat,sun 00:00-24:00`, `mon-sun 22:00-06:00`; what is wrong with it.
    ///
    /// # Errors
    /// What it has to be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "days and times in UTC, such as `mon-fri 08:00-18:00` or `sat,sun 00:00-24:00`".to_owned();
        let (days, times) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let day = |word: &str| DAYS.iter().position(|day| *day == word.trim()).ok_or_else(wrong);
        let mut own = [false; 7];
        for part in days.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (day(first)?, day(last)?);
            // from Saturday to Monday goes over the week's end
            let span = (last + 7 - first) % 7;
            for more in 0..=span {
                if let Some(own) = own.get_mut((first + more) % 7) {
                    *own = true;
                }
            }
        }
        let (from, until) = times.trim().split_once('-').ok_or_else(wrong)?;
        let minutes = |text: &str| -> Result<u32, String> {
            let (hours, minutes) = text.trim().split_once(':').ok_or_else(wrong)?;
            let (hours, minutes): (u32, u32) = hours.parse().ok().zip(minutes.parse().ok()).ok_or_else(wrong)?;
            let all = hours * 60 + minutes;
            if minutes < 60 && all <= 1_440 { Ok(all) } else { Err(wrong()) }
        };
        let (from, until) = (minutes(from)?, minutes(until)?);
        if from == until {
            return Err(wrong());
        }
        Ok(Self { text: text.trim().to_owned(), days: own, from, until })
    }

    /// Whether it is such an hour.
    pub fn are(&self, now: DateTime<Utc>) -> bool {
        let day = now.weekday().num_days_from_monday() as usize;
        let is_day = |day: usize| self.days.get(day % 7).copied().unwrap_or_default();
        let minute = now.hour() * 60 + now.minute();
        if self.from < self.until {
            return is_day(day) && (self.from..self.until).contains(&minute);
        }
        (is_day(day) && minute >= self.from) || (is_day(day + 6) && minute < self.until)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_those_of_the_days_and_nights_that_are_named() {
        let are = |hours: &str, time: &str| Hours::parse(hours).unwrap().are(time.parse().unwrap());
        // 2026-11-27 is a Friday
        assert!(are("mon-fri 08:00-18:00", "2026-11-27T17:59:59Z"));
        assert!(!are("mon-fri 08:00-18:00", "2026-11-27T18:00:00Z"));
        assert!(!are("mon-fri 08:00-18:00", "2026-11-28T12:00:00Z"));
        assert!(are("fri 22:00-06:00", "2026-11-28T05:59:00Z"), "the night after Friday");
        assert!(!are("fri 22:00-06:00", "2026-11-27T05:59:00Z"), "and not the one before");
        assert!(are("sat-mon 00:00-24:00", "2026-11-30T23:59:00Z"));
        for wrong in
            ["", "mon", "mon 8-18", "mon 08:00-08:00", "noday 08:00-18:00", "mon 08:61-18:00", "mon 08:00-25:00"]
        {
            assert!(Hours::parse(wrong).is_err(), "{wrong}");
        }
    }
}
