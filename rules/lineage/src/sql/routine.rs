//! Triggers and procedural functions: the statements inside them. What flows through variables is followed; in which order and whether at all is
//! not: what a variable may have been made from at any place is what it is made from.

use super::dialect::Dialect;
use super::parse::{DEEPEST, place_of, shown};
use super::query::Outer;
use super::resolver::Resolver;
use super::scope::{Columns, From, Named, Out, Scope, TableId};
use crate::deps::{Deps, Use};
use fieldmark_model::lineage::{ColumnName, Place, Unresolved};
use sqlparser::ast::{CreateFunction, CreateFunctionBody, Expr, Ident, Query, Statement, Value};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};
use std::rc::Rc;

/// A function whose body is kept, for the triggers that call it.
#[derive(Clone, Debug)]
pub(crate) struct Routine {
    pub(crate) body: String,
    /// Where the body begins in its text.
    pub(crate) at: Location,
    pub(crate) language: String,
    pub(crate) parameters: Vec<String>,
}

/// How often a body is gone through: each time a variable may be made from more.
const ROUNDS: usize = 4;

/// Names that PL/pgSQL itself gives.
const OF_PLPGSQL: [&str; 14] = [
    "found",
    "sqlstate",
    "sqlerrm",
    "row_count",
    "tg_name",
    "tg_when",
    "tg_level",
    "tg_op",
    "tg_relid",
    "tg_table_name",
    "tg_table_schema",
    "tg_relname",
    "tg_nargs",
    "tg_argv",
];

impl Resolver<'_> {
    pub(crate) fn create_function(&mut self, function: &CreateFunction) {
        let language = function.language.as_ref().map_or_else(|| "sql".to_owned(), |name| name.value.to_lowercase());
        let name = super::expression::function_name(&function.name);
        let parameters: Vec<String> = function
            .args
            .iter()
            .flatten()
            .filter_map(|argument| argument.name.as_ref())
            .map(|name| self.dialect.spelled(name))
            .collect();
        match &function.function_body {
            Some(CreateFunctionBody::AsBeforeOptions { body, .. } | CreateFunctionBody::AsAfterOptions(body)) => {
                let Expr::Value(value) = body else { return };
                let (body, skip) = match &value.value {
                    Value::DollarQuotedString(quoted) => {
                        (quoted.value.clone(), quoted.tag.as_ref().map_or(0, |tag| tag.chars().count()) + 2)
                    }
                    Value::SingleQuotedString(body) => (body.clone(), 1),
                    _ => return,
                };
                let mut at = value.span.start;
                at.column += skip as u64;
                let routine = Routine { body, at, language, parameters };
                // what it says of a trigger's rows is resolved with the trigger
                let of_trigger =
                    function.return_type.as_ref().is_some_and(|kind| kind.to_string().to_lowercase() == "trigger");
                if of_trigger {
                    self.routines.insert(name, routine);
                } else {
                    self.routine(&routine, None);
                }
            }
            Some(CreateFunctionBody::AsBeginEnd(body)) => {
                self.variables = parameters.into_iter().map(of_nothing).collect();
                for statement in &body.statements {
                    self.statement(statement);
                }
                self.variables.clear();
            }
            Some(CreateFunctionBody::Return(expression) | CreateFunctionBody::AsReturnExpr(expression)) => {
                self.variables = parameters.into_iter().map(of_nothing).collect();
                let empty = From::default();
                let scope = super::statement::scope_of(&Outer { scope: None, with: None }, &empty);
                self.value(&scope, expression);
                self.variables.clear();
            }
            Some(CreateFunctionBody::AsReturnSelect(_)) | None => {}
        }
    }

    /// The statements of a routine, of a trigger on this table where it is one.
    pub(crate) fn routine(&mut self, routine: &Routine, of: Option<TableId>) {
        match routine.language.as_str() {
            "sql" | "plpgsql" => {}
            other => {
                let at = Span::new(routine.at, routine.at);
                self.say("a routine in this language is not read", at, other);
                return;
            }
        }
        let tokens = Tokenizer::new(self.dialect.grammar(), &routine.body).tokenize_with_location();
        let mut tokens = match tokens {
            Ok(tokens) => tokens,
            Err(error) => {
                let at = moved(error.location, routine.at);
                self.say("the body of the routine cannot be cut into words", Span::new(at, at), "");
                return;
            }
        };
        for token in &mut tokens {
            token.span = Span::new(moved(token.span.start, routine.at), moved(token.span.end, routine.at));
        }
        self.body_of(&tokens, of, &routine.parameters);
    }

    /// `CREATE TRIGGER … BEGIN … END` and `CREATE PROCEDURE … BEGIN … END`, by their words; whether it was one.
    pub(crate) fn create_routine(&mut self, tokens: &[TokenWithSpan]) -> bool {
        let words: Vec<&TokenWithSpan> = tokens.iter().filter(|token| !is_blank(token)).collect();
        // others' is about an expression
        if self.dialect == Dialect::Postgres && words.first().is_some_and(|first| is_word(first, "DO")) {
            return self.block(&words);
        }
        if !words.first().is_some_and(|first| is_word(first, "CREATE")) {
            return false;
        }
        let opening = words.get(..12.min(words.len())).unwrap_or(&[]);
        let find = |keyword| opening.iter().position(|token| is_word(token, keyword));
        if let Some(at) = find("TRIGGER") {
            return self.create_trigger(words.get(at + 1..).unwrap_or(&[]));
        }
        let procedure = find("PROCEDURE").or_else(|| find("FUNCTION"));
        let by_words = self.dialect.is_mysql() || matches!(self.dialect, Dialect::Other(_));
        if let (Some(at), true) = (procedure, by_words) {
            let rest = words.get(at + 1..).unwrap_or(&[]);
            let Some(begin) = rest.iter().position(|token| is_word(token, "BEGIN")) else { return false };
            let parameters = parameters_of(rest.get(..begin).unwrap_or(&[]));
            let body: Vec<TokenWithSpan> = rest.iter().skip(begin).map(|token| (*token).clone()).collect();
            self.body_of(&body, None, &parameters);
            return true;
        }
        false
    }

    /// `DO [LANGUAGE name] 'statements'`: a routine without a name.
    fn block(&mut self, words: &[&TokenWithSpan]) -> bool {
        let language = words.iter().position(|token| is_word(token, "LANGUAGE"));
        let language = language.and_then(|at| words.get(at + 1)).and_then(|token| ident_of(token));
        let body = words.iter().find_map(|token| match &token.token {
            Token::DollarQuotedString(quoted) => {
                Some((quoted.value.clone(), quoted.tag.as_ref().map_or(0, |tag| tag.chars().count()) + 2, token.span))
            }
            Token::SingleQuotedString(body) => Some((body.clone(), 1, token.span)),
            _ => None,
        });
        let Some((body, skip, span)) = body else { return false };
        let mut at = span.start;
        at.column += skip as u64;
        let language = language.map_or_else(|| "plpgsql".to_owned(), |name| name.value.to_lowercase());
        self.routine(&Routine { body, at, language, parameters: Vec::new() }, None);
        true
    }

    fn create_trigger(&mut self, words: &[&TokenWithSpan]) -> bool {
        let Some(on) = words.iter().position(|token| is_word(token, "ON")) else { return false };
        let mut after = on + 1;
        let mut name = Vec::new();
        while let Some(ident) = words.get(after).and_then(|token| ident_of(token)) {
            name.push(ident);
            after += 1;
            if words.get(after).is_none_or(|token| token.token != Token::Period) {
                break;
            }
            after += 1;
        }
        let table = match self.find_table(&name) {
            Ok(table) => table,
            Err(reason) => {
                let at = words.get(on).map_or(Span::empty(), |token| token.span);
                let text = name.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
                self.say(reason, name.first().map_or(at, |first| first.span), text);
                return true;
            }
        };
        let rest = words.get(after..).unwrap_or(&[]);
        // EXECUTE FUNCTION name(): its body was given before, or is in the database
        if let Some(at) = rest.iter().position(|token| is_word(token, "EXECUTE")) {
            let called = rest.iter().skip(at + 2).map_while(|token| match &token.token {
                Token::Period => Some(None),
                _ => ident_of(token).map(Some),
            });
            let called = called.flatten().last();
            match called.as_ref().and_then(|name| self.routines.get(&name.value.to_lowercase()).cloned()) {
                Some(routine) => self.routine(&routine, Some(table)),
                None => {
                    let at = rest.get(at).map_or(Span::empty(), |token| token.span);
                    let text = called.map_or_else(String::new, |name| name.value);
                    self.say("the function that the trigger calls is not in this text", at, text);
                }
            }
            return true;
        }
        // FOR EACH ROW [FOLLOWS other] [WHEN (…)] then one statement, or BEGIN … END
        let begin = rest.iter().position(|token| {
            let opens = ["BEGIN", "INSERT", "UPDATE", "DELETE", "SELECT", "SET", "REPLACE", "WITH", "IF", "CALL"];
            opens.contains(&word_of(token).as_str())
        });
        let body: Vec<TokenWithSpan> =
            begin.and_then(|begin| rest.get(begin..)).unwrap_or(&[]).iter().map(|token| (*token).clone()).collect();
        self.body_of(&body, Some(table), &[]);
        true
    }

    fn body_of(&mut self, tokens: &[TokenWithSpan], of: Option<TableId>, parameters: &[String]) {
        let words: Vec<TokenWithSpan> =
            tokens.iter().filter(|token| !is_blank(token) && token.token != Token::EOF).cloned().collect();
        let mut running = Running { of, records: Vec::new() };
        self.variables = parameters.iter().cloned().map(of_nothing).collect();
        self.variables.extend((1..=parameters.len()).map(|number| of_nothing(format!("${number}"))));
        if self.dialect == Dialect::Postgres {
            self.variables.extend(OF_PLPGSQL.iter().map(|name| of_nothing((*name).to_owned())));
        }
        for _ in 0..ROUNDS {
            let before = (self.variables.clone(), running.records.clone());
            let mut at = 0;
            while at < words.len() {
                let next = self.routine_statement(&words, at, &mut running);
                at = next.max(at + 1);
            }
            let same = before.0.len() == self.variables.len()
                && before.0.iter().zip(&self.variables).all(|(one, other)| one.deps == other.deps)
                && before.1.len() == running.records.len();
            if same {
                break;
            }
        }
        self.variables.clear();
    }

    /// Reads one statement of a body that begins here; where the next begins.
    #[expect(clippy::too_many_lines, reason = "one arm for each statement of the languages")]
    fn routine_statement(&mut self, words: &[TokenWithSpan], at: usize, running: &mut Running) -> usize {
        let Some(first) = words.get(at) else { return at + 1 };
        let end = end_of(words, at);
        let own = words.get(at..end).unwrap_or(&[]);
        match &first.token {
            Token::Word(_) => {}
            Token::SemiColon => return at + 1,
            // <<label>>
            Token::ShiftLeft => {
                let ends = words.iter().skip(at).position(|token| token.token == Token::ShiftRight);
                return ends.map_or(end, |number| at + number + 1);
            }
            _ => return end,
        }
        let word = word_of(first);
        // label: LOOP
        if words.get(at + 1).is_some_and(|token| token.token == Token::Colon)
            && words.get(at + 2).is_none_or(|token| token.token != Token::Eq)
        {
            return at + 2;
        }
        // an assignment
        if let Some(sign) = assignment(own) {
            let (target, value) = own.split_at(sign);
            self.assign_to(target, value.get(1..).unwrap_or(&[]), running);
            return end;
        }
        match word.as_str() {
            "BEGIN" | "ELSE" | "LOOP" | "REPEAT" | "EXCEPTION" | "ATOMIC" => at + 1,
            "DECLARE" => self.declarations(words, at + 1, running),
            "IF" | "ELSEIF" | "WHEN" | "CASE" | "ELSIF" => self.condition(words, at + 1, "THEN", running),
            "WHILE" => {
                let until = if self.dialect.is_mysql() { "DO" } else { "LOOP" };
                self.condition(words, at + 1, until, running)
            }
            "UNTIL" => self.condition(words, at + 1, "END", running),
            "FOR" => self.for_each(words, at, running),
            "FOREACH" => {
                let stop = find(words, at, "LOOP").unwrap_or(end);
                stop + 1
            }
            "END" => end,
            "PERFORM" => {
                let mut tokens = own.to_vec();
                if let Some(token) = tokens.first_mut() {
                    token.token = Token::make_keyword("SELECT");
                }
                self.query_of(&tokens, running);
                end
            }
            "RETURN" => {
                let rest = own.get(1..).unwrap_or(&[]);
                match rest.first().map(|token| &token.token) {
                    Some(Token::Word(word)) if word.value.eq_ignore_ascii_case("query") => {
                        let rest = rest.get(1..).unwrap_or(&[]);
                        if rest.first().is_some_and(|token| is_word(token, "EXECUTE")) {
                            self.dynamic(first);
                        } else {
                            self.query_of(rest, running);
                        }
                    }
                    Some(Token::Word(word)) if word.value.eq_ignore_ascii_case("next") => {}
                    // the trigger's row as it is
                    Some(Token::Word(word))
                        if rest.len() == 1
                            && ["new", "old", "null"].iter().any(|own| word.value.eq_ignore_ascii_case(own)) => {}
                    Some(_) => self.reads_of(rest, running),
                    None => {}
                }
                end
            }
            "EXECUTE" | "PREPARE" => {
                self.dynamic(first);
                end
            }
            "CALL" => {
                self.say("what a procedure does is not in its call", first.span, "CALL");
                end
            }
            "SET" if self.dialect.is_mysql() || running.of.is_some() => {
                for part in at_commas(own.get(1..).unwrap_or(&[])) {
                    if let Some(sign) = assignment(part) {
                        let (target, value) = part.split_at(sign);
                        self.assign_to(target, value.get(1..).unwrap_or(&[]), running);
                    }
                }
                end
            }
            "OPEN" => {
                if let (Some(name), Some(at)) =
                    (own.get(1).and_then(ident_of), own.iter().position(|token| is_word(token, "FOR")))
                {
                    let rest = own.get(at + 1..).unwrap_or(&[]);
                    if rest.first().is_some_and(|token| is_word(token, "EXECUTE")) {
                        self.dynamic(first);
                    } else if let Some(outs) = self.query_of(rest, running) {
                        running.record(self.dialect.spelled(&name), outs);
                    }
                }
                end
            }
            "FETCH" => {
                self.fetch(own, running);
                end
            }
            "SELECT" | "WITH" | "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "REPLACE" | "CREATE" | "ALTER" | "DROP" => {
                self.inner_statement(own, running);
                end
            }
            "NULL" | "COMMIT" | "ROLLBACK" | "CLOSE" | "TRUNCATE" | "EXIT" | "CONTINUE" | "LEAVE" | "ITERATE"
            | "LOCK" | "RAISE" | "GET" | "MOVE" | "ASSERT" | "SIGNAL" | "RESIGNAL" | "NOTIFY" => end,
            _ => {
                self.say("a statement of a routine that is not read", first.span, shown(&first.token));
                end
            }
        }
    }

    fn dynamic(&mut self, first: &TokenWithSpan) {
        self.say("the statement is made while it runs", first.span, shown(&first.token));
    }

    /// Declarations up to BEGIN, or the one of MySQL that ends by a semicolon.
    fn declarations(&mut self, words: &[TokenWithSpan], mut at: usize, running: &mut Running) -> usize {
        let once = self.dialect.is_mysql();
        while let Some(first) = words.get(at) {
            if is_word(first, "BEGIN") {
                return at;
            }
            let end = end_of(words, at);
            let own = words.get(at..end).unwrap_or(&[]);
            if own.iter().any(|token| is_word(token, "HANDLER")) {
                // DECLARE … HANDLER FOR … statement
                return end;
            }
            let names: Vec<Ident> = at_commas(own).iter().filter_map(|part| ident_of(part.first()?)).collect();
            let cursor = own.iter().position(|token| is_word(token, "CURSOR"));
            if let (Some(cursor), Some(name)) = (cursor, names.first()) {
                let query =
                    own.iter().skip(cursor).position(|token| is_word(token, "SELECT") || is_word(token, "WITH"));
                let query = query.and_then(|from| own.get(cursor + from..)).unwrap_or(&[]);
                if let Some(outs) = self.query_of(query, running) {
                    running.record(self.dialect.spelled(name), outs);
                }
            } else {
                let value = own.iter().position(|token| {
                    is_word(token, "DEFAULT") || matches!(token.token, Token::Assignment | Token::Eq)
                });
                let deps = match value.and_then(|at| own.get(at + 1..)) {
                    Some(value) => self.value_of(value, running),
                    None => Deps::default(),
                };
                let names = if once { names } else { names.into_iter().take(1).collect() };
                for name in names {
                    let name = self.dialect.spelled(&name);
                    self.variable(name, &deps);
                }
            }
            at = end + 1;
            if once {
                return at;
            }
        }
        at
    }

    /// Adds to what a variable is made from.
    fn variable(&mut self, name: String, deps: &Deps) {
        if let Some(own) = self.variables.iter_mut().find(|out| out.name == name) {
            let mut more = Deps::clone(&own.deps);
            more.take(deps, Use::AS_IS);
            own.deps = Rc::new(more);
        } else {
            self.variables.push(Out { name, deps: Rc::new(deps.clone()) });
        }
    }

    /// A condition up to a word: its columns are read. Where the next statement begins.
    fn condition(&mut self, words: &[TokenWithSpan], at: usize, until: &str, running: &Running) -> usize {
        let Some(stop) = find(words, at, until) else { return end_of(words, at) };
        let own = words.get(at..stop).unwrap_or(&[]);
        // conditions of EXCEPTION are names of errors; CASE … WHEN is a value, then a condition
        for part in own.split(|token| is_word(token, "WHEN")) {
            if !part.is_empty() && parse_expression(self.dialect, part).is_ok() && !is_error_name(part) {
                self.reads_of(part, running);
            }
        }
        if until == "END" { stop } else { stop + 1 }
    }

    /// `FOR row IN query LOOP`.
    fn for_each(&mut self, words: &[TokenWithSpan], at: usize, running: &mut Running) -> usize {
        let Some(stop) = find(words, at, "LOOP") else { return end_of(words, at) };
        let own = words.get(at + 1..stop).unwrap_or(&[]);
        let Some(r#in) = own.iter().position(|token| is_word(token, "IN")) else { return stop + 1 };
        let names: Vec<Ident> =
            at_commas(own.get(..r#in).unwrap_or(&[])).iter().filter_map(|part| ident_of(part.first()?)).collect();
        let rest = own.get(r#in + 1..).unwrap_or(&[]);
        match rest.first() {
            Some(first) if is_word(first, "EXECUTE") => self.dynamic(first),
            Some(first) if is_word(first, "SELECT") || is_word(first, "WITH") => {
                if let Some(outs) = self.query_of(rest, running) {
                    self.bind(&names, outs, running);
                }
            }
            // a cursor, or numbers
            Some(first) => {
                let cursor = ident_of(first).map(|name| self.dialect.spelled(&name));
                let outs = cursor.and_then(|cursor| running.of_record(&cursor));
                self.bind(&names, outs.unwrap_or_default(), running);
            }
            None => {}
        }
        stop + 1
    }

    /// The columns of a row go into variables: one by one, or all into one that is a row.
    fn bind(&mut self, names: &[Ident], outs: Vec<Out>, running: &mut Running) {
        match names {
            [one] => {
                let name = self.dialect.spelled(one);
                let mut all = Deps::default();
                outs.iter().for_each(|out| all.take(&out.deps, Use::AS_IS));
                self.variable(name.clone(), &all);
                running.record(name, outs);
            }
            many => {
                for (name, out) in many.iter().zip(outs) {
                    let name = self.dialect.spelled(name);
                    self.variable(name, &out.deps);
                }
            }
        }
    }

    fn fetch(&mut self, own: &[TokenWithSpan], running: &mut Running) {
        let Some(into) = own.iter().position(|token| is_word(token, "INTO")) else { return };
        let cursor = own.get(..into).unwrap_or(&[]).iter().filter_map(ident_of).next_back();
        let outs = cursor.and_then(|name| running.of_record(&self.dialect.spelled(&name)));
        let names: Vec<Ident> =
            at_commas(own.get(into + 1..).unwrap_or(&[])).iter().filter_map(|part| ident_of(part.first()?)).collect();
        self.bind(&names, outs.unwrap_or_default(), running);
    }

    /// A statement of SQL in a body; what it selects or returns INTO goes into variables.
    fn inner_statement(&mut self, own: &[TokenWithSpan], running: &mut Running) {
        let (tokens, into) = without_into(own);
        let statement = match parse_statement(self.dialect, &tokens) {
            Ok(statement) => statement,
            Err(unresolved) => {
                self.unresolved.insert(unresolved);
                return;
            }
        };
        let names: Vec<Ident> = at_commas(&into).iter().filter_map(|part| ident_of(part.first()?)).collect();
        match &statement {
            Statement::Query(query) if !names.is_empty() => {
                if let Some(outs) = self.resolved(query, running) {
                    self.bind_or_assign(&into, &names, outs, running);
                }
            }
            // rows that nobody takes are only read
            Statement::Query(query) => {
                self.resolved(query, running);
            }
            Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_) => {
                let outs = self.with_outer(running, |own, outer| {
                    let relation = own.changing(&statement, outer);
                    own.outs(&relation.columns)
                });
                if let (Some(outs), false) = (outs, names.is_empty()) {
                    self.bind_or_assign(&into, &names, outs, running);
                }
            }
            _ => self.with_outer(running, |own, outer| own.statement_in(&statement, outer)),
        }
    }

    /// INTO may name columns of the trigger's row: `INTO NEW.total`.
    fn bind_or_assign(&mut self, into: &[TokenWithSpan], names: &[Ident], outs: Vec<Out>, running: &mut Running) {
        let parts = at_commas(into);
        if parts.iter().all(|part| part.len() == 1) {
            return self.bind(names, outs, running);
        }
        for (part, out) in parts.iter().zip(outs) {
            self.assign_deps(part, &out.deps, running);
        }
    }

    /// `target := value`.
    fn assign_to(&mut self, target: &[TokenWithSpan], value: &[TokenWithSpan], running: &mut Running) {
        let deps = self.value_of(value, running);
        self.assign_deps(target, &deps, running);
    }

    fn assign_deps(&mut self, target: &[TokenWithSpan], deps: &Deps, running: &mut Running) {
        let parts: Vec<Ident> = target.iter().filter_map(ident_of).collect();
        match (&parts[..], running.of) {
            ([row, column, ..], Some(table)) if row.value.eq_ignore_ascii_case("new") => {
                match self.column_named(table, column) {
                    Some(number) => {
                        let name = ColumnName::new(self.spelled_table(table), self.column_name(table, number));
                        self.writes.insert(name.table.clone());
                        self.emit(name, deps, &Deps::default());
                    }
                    None => self.say("the trigger's table has no column of this name", column.span, &column.value),
                }
            }
            ([name, ..], _) => {
                let name = self.dialect.spelled(name);
                self.variable(name, deps);
            }
            ([], _) => {}
        }
    }

    fn value_of(&mut self, tokens: &[TokenWithSpan], running: &Running) -> Deps {
        // PL/pgSQL: the value may go on as a query does: count(*) FROM orders
        let is_query = tokens.iter().any(|token| is_word(token, "FROM"));
        match parse_expression(self.dialect, tokens) {
            Ok(expression) => self.with_outer(running, |own, outer| {
                let empty = From::default();
                let scope = super::statement::scope_of(outer, &empty);
                own.value(&scope, &expression)
            }),
            Err(_) if is_query => {
                let mut query = vec![TokenWithSpan { token: Token::make_keyword("SELECT"), span: Span::empty() }];
                query.extend_from_slice(tokens);
                let outs = self.query_of(&query, running).unwrap_or_default();
                let mut deps = Deps::default();
                outs.iter().for_each(|out| deps.take(&out.deps, Use::AS_IS));
                deps
            }
            Err(unresolved) => {
                self.unresolved.insert(unresolved);
                Deps::default()
            }
        }
    }

    fn reads_of(&mut self, tokens: &[TokenWithSpan], running: &Running) {
        self.value_of(tokens, running);
    }

    /// The columns that a query gives, each with what decides its rows.
    fn query_of(&mut self, tokens: &[TokenWithSpan], running: &Running) -> Option<Vec<Out>> {
        if tokens.is_empty() {
            return None;
        }
        match parse_statement(self.dialect, tokens) {
            Ok(Statement::Query(query)) => self.resolved(&query, running),
            Ok(_) => None,
            Err(unresolved) => {
                self.unresolved.insert(unresolved);
                None
            }
        }
    }

    fn resolved(&mut self, query: &Query, running: &Running) -> Option<Vec<Out>> {
        self.with_outer(running, |own, outer| {
            let relation = own.query(query, outer);
            let outs = own.outs(&relation.columns)?;
            let with_rows = |out: Out| {
                let mut deps = Deps::clone(&out.deps);
                deps.take(&relation.rows, Use::AS_IS);
                Out { name: out.name, deps: Rc::new(deps) }
            };
            Some(outs.into_iter().map(with_rows).collect())
        })
    }

    /// With the names that a body has: rows of its trigger, and records.
    fn with_outer<T>(&mut self, running: &Running, act: impl FnOnce(&mut Self, &Outer<'_>) -> T) -> T {
        let mut from = From::default();
        if let Some(table) = running.of {
            for name in ["new", "old"] {
                let columns = Rc::new(Columns::Table(table));
                from.named.push(Named { name: Some(name.to_owned()), before: Vec::new(), columns });
            }
        }
        for (name, outs) in &running.records {
            let columns = Rc::new(Columns::These(outs.clone()));
            from.named.push(Named { name: Some(name.clone()), before: Vec::new(), columns });
        }
        let scope = Scope { parent: None, from: &from, aliases: &[], aliases_first: false, windows: &[], with: None };
        act(self, &Outer { scope: Some(&scope), with: None })
    }
}

/// A body that is gone through.
struct Running {
    /// The table of the trigger.
    of: Option<TableId>,
    /// Variables that are rows, and cursors.
    records: Vec<(String, Vec<Out>)>,
}

impl Running {
    fn record(&mut self, name: String, outs: Vec<Out>) {
        match self.records.iter_mut().find(|(own, _)| *own == name) {
            Some((_, own)) => *own = outs,
            None => self.records.push((name, outs)),
        }
    }

    fn of_record(&self, name: &str) -> Option<Vec<Out>> {
        self.records.iter().find(|(own, _)| own == name).map(|(_, outs)| outs.clone())
    }
}

fn of_nothing(name: String) -> Out {
    Out { name, deps: Rc::default() }
}

fn moved(location: Location, by: Location) -> Location {
    Location {
        line: location.line + by.line - 1,
        column: if location.line == 1 { location.column + by.column - 1 } else { location.column },
    }
}

fn is_blank(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_))
}

/// A word in capitals; nothing of one in quotes, or of what is none.
fn word_of(token: &TokenWithSpan) -> String {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    }
}

fn is_word(token: &TokenWithSpan, own: &str) -> bool {
    matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(own))
}

fn ident_of(token: &TokenWithSpan) -> Option<Ident> {
    match &token.token {
        Token::Word(word) => Some(word.to_ident(token.span)),
        Token::AtSign | Token::Placeholder(_) => Some(Ident::with_span(token.span, token.token.to_string())),
        _ => None,
    }
}

/// Where a statement ends: its semicolon, or the end of the body.
fn end_of(words: &[TokenWithSpan], at: usize) -> usize {
    let mut depth = 0_usize;
    for (number, token) in words.iter().enumerate().skip(at) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::SemiColon if depth == 0 => return number,
            _ => {}
        }
    }
    words.len()
}

/// Where a word is next, outside brackets and CASE … END.
fn find(words: &[TokenWithSpan], at: usize, keyword: &str) -> Option<usize> {
    let (mut depth, mut cases) = (0_usize, 0_usize);
    for (number, token) in words.iter().enumerate().skip(at) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::SemiColon => return None,
            Token::Word(_) if depth > 0 => {}
            Token::Word(_) if is_word(token, keyword) && cases == 0 => return Some(number),
            Token::Word(_) if is_word(token, "CASE") => cases += 1,
            Token::Word(_) if is_word(token, "END") => cases = cases.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn at_commas(tokens: &[TokenWithSpan]) -> Vec<&[TokenWithSpan]> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_usize, 0);
    for (number, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
            Token::Comma if depth == 0 => {
                parts.extend(tokens.get(from..number));
                from = number + 1;
            }
            _ => {}
        }
    }
    parts.extend(tokens.get(from..));
    parts.retain(|part| !part.is_empty());
    parts
}

/// Where the sign of an assignment is, in a statement that is one: `name := …`, `row.column = …`.
fn assignment(own: &[TokenWithSpan]) -> Option<usize> {
    let mut number = 0;
    match &own.first()?.token {
        Token::Word(_) if opens_statement(&word_of(own.first()?)) => return None,
        Token::Word(_) | Token::Placeholder(_) | Token::AtSign => {}
        _ => return None,
    }
    let mut depth = 0_usize;
    while let Some(token) = own.get(number) {
        match &token.token {
            Token::Assignment | Token::Eq if depth == 0 => return Some(number),
            Token::LBracket => depth += 1,
            Token::RBracket => depth = depth.saturating_sub(1),
            Token::Colon if own.get(number + 1).is_some_and(|next| next.token == Token::Eq) => return Some(number + 1),
            Token::Word(_) | Token::Period | Token::Placeholder(_) | Token::AtSign | Token::Number(..) => {}
            _ if depth > 0 => {}
            _ => return None,
        }
        number += 1;
    }
    None
}

fn opens_statement(word: &str) -> bool {
    matches!(
        word,
        "SELECT"
            | "WITH"
            | "INSERT"
            | "UPDATE"
            | "DELETE"
            | "MERGE"
            | "REPLACE"
            | "IF"
            | "ELSEIF"
            | "WHEN"
            | "CASE"
            | "WHILE"
            | "UNTIL"
            | "FOR"
            | "SET"
            | "RETURN"
            | "DECLARE"
            | "BEGIN"
            | "END"
            | "ELSE"
            | "LOOP"
            | "CALL"
            | "EXECUTE"
    )
}

/// A statement without its INTO, and what stood there.
fn without_into(own: &[TokenWithSpan]) -> (Vec<TokenWithSpan>, Vec<TokenWithSpan>) {
    let inserts = |at: usize| {
        at.checked_sub(1).and_then(|before| own.get(before)).is_some_and(|token| {
            is_word(token, "INSERT") || is_word(token, "MERGE") || is_word(token, "REPLACE") || is_word(token, "IGNORE")
        })
    };
    let mut depth = 0_usize;
    let mut at = None;
    for (number, token) in own.iter().enumerate() {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ if depth == 0 && is_word(token, "INTO") && !inserts(number) => {
                at = Some(number);
                break;
            }
            _ => {}
        }
    }
    let Some(at) = at else { return (own.to_vec(), Vec::new()) };
    let mut stop = at + 1;
    if own
        .get(stop)
        .is_some_and(|token| matches!(&token.token, Token::Word(word) if word.value.eq_ignore_ascii_case("strict")))
    {
        stop += 1;
    }
    let first = stop;
    // names, dots and commas
    let mut needs_name = true;
    while let Some(token) = own.get(stop) {
        match &token.token {
            Token::Word(_) | Token::Placeholder(_) if needs_name => needs_name = false,
            Token::AtSign if needs_name => {}
            Token::Comma | Token::Period if !needs_name => needs_name = true,
            _ => break,
        }
        stop += 1;
    }
    let into = own.get(first..stop).unwrap_or(&[]).to_vec();
    let mut rest = own.get(..at).unwrap_or(&[]).to_vec();
    rest.extend_from_slice(own.get(stop..).unwrap_or(&[]));
    (rest, into)
}

fn is_error_name(tokens: &[TokenWithSpan]) -> bool {
    matches!(tokens.first().map(|token| &token.token), Some(Token::Word(word))
        if word.value.eq_ignore_ascii_case("others")
            || word.value.to_ascii_lowercase().ends_with("_violation")
            || word.value.eq_ignore_ascii_case("sqlstate")
            || word.value.to_ascii_lowercase().contains("exception")
            || word.value.to_ascii_lowercase().starts_with("no_data")
            || word.value.to_ascii_lowercase().starts_with("too_many"))
}

/// Names of parameters: each the first word of its part, past IN, OUT and INOUT.
fn parameters_of(words: &[&TokenWithSpan]) -> Vec<String> {
    let Some(open) = words.iter().position(|token| token.token == Token::LParen) else { return Vec::new() };
    let inside: Vec<TokenWithSpan> = words.iter().skip(open + 1).map(|token| (*token).clone()).collect();
    let name = |part: &&[TokenWithSpan]| {
        let mut idents = part.iter().filter_map(ident_of);
        idents.find(|ident| !["in", "out", "inout"].contains(&ident.value.to_ascii_lowercase().as_str()))
    };
    at_commas(&inside).iter().filter_map(name).map(|ident| ident.value).collect()
}

fn parse_statement(dialect: Dialect, tokens: &[TokenWithSpan]) -> Result<Statement, Unresolved> {
    parsed(dialect, tokens, Parser::parse_statement)
}

fn parse_expression(dialect: Dialect, tokens: &[TokenWithSpan]) -> Result<Expr, Unresolved> {
    parsed(dialect, tokens, Parser::parse_expr)
}

fn parsed<T>(
    dialect: Dialect,
    tokens: &[TokenWithSpan],
    parse: impl Fn(&mut Parser<'static>) -> Result<T, ParserError>,
) -> Result<T, Unresolved> {
    let mut parser = Parser::new(dialect.grammar()).with_recursion_limit(DEEPEST);
    parser = parser.with_tokens_with_locations(tokens.to_vec());
    let read = parse(&mut parser);
    let next = parser.peek_token();
    match read {
        Ok(read) if next.token == Token::EOF => Ok(read),
        Ok(_) | Err(_) => {
            let at = if next.token == Token::EOF { tokens.first() } else { Some(&next) };
            Err(Unresolved {
                reason: "a statement of a routine cannot be read".to_owned(),
                place: at.map_or(Place::default(), place_of),
                text: at.map_or_else(String::new, |token| shown(&token.token)),
            })
        }
    }
}
