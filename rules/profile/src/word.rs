//! What names of columns and tables say.

/// The words of a name in lower case: `customerId`, `customer_id` and `CUSTOMER-ID` are the same two.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            words.push(String::new());
            lower = false;
            continue;
        }
        if c.is_uppercase() && lower {
            words.push(String::new());
        }
        lower = c.is_lowercase();
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether one of these words is in a name.
pub(crate) fn has(name: &str, wanted: &[&str]) -> bool {
    words(name).iter().any(|word| wanted.contains(&word.as_str()))
}

/// Whether a table's name is the word, in the singular or the plural.
pub(crate) fn is_plural_of(table: &str, word: &str) -> bool {
    let table = words(table).join("_");
    let ies = word.strip_suffix('y').map(|stem| format!("{stem}ies"));
    table == word || table == format!("{word}s") || table == format!("{word}es") || ies.is_some_and(|ies| ies == table)
}

/// What a column seems to refer to: the words before an ending such as `id`, all of them, then fewer from the left.
pub(crate) fn referred(column: &str) -> Vec<String> {
    const ENDINGS: [&str; 8] = ["id", "ref", "fk", "key", "no", "number", "code", "uuid"];
    let words = words(column);
    let Some((ending, stem)) = words.split_last() else { return Vec::new() };
    if stem.is_empty() || !ENDINGS.contains(&ending.as_str()) {
        return Vec::new();
    }
    (0..stem.len()).filter_map(|from| Some(stem.get(from..)?.join("_"))).collect()
}

/// Whether a column holds what is personal, by its name.
pub(crate) fn is_personal(name: &str) -> bool {
    const ALONE: &[&str] = &[
        "email",
        "mail",
        "phone",
        "mobile",
        "fax",
        "ssn",
        "passport",
        "iban",
        "birthday",
        "dob",
        "password",
        "secret",
        "token",
        "surname",
        "firstname",
        "lastname",
        "fullname",
        "username",
        "street",
        "zip",
        "postcode",
        "ip",
        "address",
        "latitude",
        "longitude",
        // numbers that states give to people
        "nhs",
        "nino",
        "aadhaar",
        "pesel",
        "bsn",
        "cpf",
    ];
    const PAIRS: &[(&str, &str)] = &[
        ("middle", "name"),
        ("maiden", "name"),
        ("social", "security"),
        ("national", "insurance"),
        ("national", "id"),
        ("insurance", "number"),
        ("tax", "id"),
        ("identity", "number"),
        ("license", "plate"),
        ("licence", "plate"),
        ("driver", "license"),
        ("driver", "licence"),
        ("first", "name"),
        ("last", "name"),
        ("full", "name"),
        ("family", "name"),
        ("given", "name"),
        ("birth", "date"),
        ("date", "birth"),
        ("card", "number"),
    ];
    let words = words(name);
    let is = |wanted: &str| words.iter().any(|word| word == wanted);
    ALONE.iter().any(|word| is(word)) || PAIRS.iter().any(|(one, other)| is(one) && is(other)) || words == ["name"]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        assert_eq!(words("billingCustomer_ID"), ["billing", "customer", "id"]);
        assert_eq!(referred("billing_customer_id"), ["billing_customer", "customer"]);
        assert_eq!(referred("id"), [""; 0]);
        assert_eq!(referred("paid"), [""; 0]);
        assert!(
            is_plural_of("customers", "customer")
                && is_plural_of("categories", "category")
                && is_plural_of("Boxes", "box")
        );
        assert!(!is_plural_of("customer_notes", "customer"));
        assert!(is_personal("email") && is_personal("firstName") && is_personal("name") && !is_personal("file_name"));
        assert!(is_personal("NHS number") && is_personal("socialSecurityNo") && !is_personal("tax_cents"));
    }
}
