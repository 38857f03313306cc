//! Expressions of a tree.

use super::Walker;
use super::node::{Node, Object};
use crate::deps::{Deps, Use};
use fieldmark_model::lineage::Kind;

/// Functions of the server from whose value nobody reads back what went in: `md5`, `sha224` to `sha512`, `count`. Their oids never change.
const MASKING: [i64; 7] = [2311, 2321, 3419, 3420, 3421, 3422, 2147];

/// How a cast was written (`CoercionForm`): by the server itself.
const IMPLICIT: i64 = 2;

/// Kinds of queries inside an expression (`SubLinkType`).
const EXISTS: i64 = 0;

/// A parameter that stands for a column of a query that gives several (`PARAM_MULTIEXPR`).
const OF_SEVERAL: i64 = 3;

impl<'n, 't> Walker<'_, 'n, 't> {
    pub(super) fn value(&mut self, node: &'n Node<'t>) -> Deps {
        let mut deps = Deps::default();
        self.walk(node, Use::AS_IS, &mut deps);
        deps
    }

    /// Adds what an expression is made from. It nests as deep as it likes: this is a loop.
    pub(super) fn walk(&mut self, root: &'n Node<'t>, used: Use, into: &mut Deps) {
        let mut todo: Vec<(&'n Node<'t>, Use)> = vec![(root, used)];
        while let Some((node, used)) = todo.pop() {
            match node {
                Node::Null | Node::Word(_) => {}
                Node::List(list) => todo.extend(list.iter().map(|one| (one, used))),
                Node::Object(object) => self.step(object, used, into, &mut todo),
            }
        }
    }

    fn step(&mut self, object: &'n Object<'t>, used: Use, into: &mut Deps, todo: &mut Vec<(&'n Node<'t>, Use)>) {
        let inside = used.within(Kind::Transformation);
        // a cast that the server put there changes no more than the type
        let cast = |field: &str| if object.number(field) == Some(IMPLICIT) { used } else { inside };
        match object.name {
            "VAR" => {
                let up = object.number("varlevelsup").and_then(|up| usize::try_from(up).ok()).unwrap_or(0);
                let (range, column) = (object.number("varno").unwrap_or(0), object.number("varattno").unwrap_or(0));
                let deps = self.variable(up, range, column);
                into.take(&deps, used);
            }
            "CONST"
            | "CASETESTEXPR"
            | "COERCETODOMAINVALUE"
            | "SQLVALUEFUNCTION"
            | "SETTODEFAULT"
            | "NEXTVALUEEXPR"
            | "CURRENTOFEXPR" => {}
            "PARAM" => {
                if object.number("paramkind") == Some(OF_SEVERAL)
                    && let Some(id) = object.number("paramid")
                {
                    self.of_several(id >> 16, id & 0xffff, used, into);
                }
            }
            "TARGETENTRY" => todo.push((object.get("expr"), used)),
            "COLLATEEXPR" => todo.push((object.get("arg"), used)),
            "RELABELTYPE" => todo.push((object.get("arg"), cast("relabelformat"))),
            "COERCEVIAIO" | "ARRAYCOERCEEXPR" => todo.push((object.get("arg"), cast("coerceformat"))),
            "CONVERTROWTYPEEXPR" => todo.push((object.get("arg"), cast("convertformat"))),
            "COERCETODOMAIN" => todo.push((object.get("arg"), cast("coercionformat"))),
            "FUNCEXPR" => {
                let mut own = cast("funcformat");
                if object.number("funcid").is_some_and(|oid| MASKING.contains(&oid)) {
                    own = own.masked();
                }
                if let Some(deps) = object.number("funcid").and_then(|oid| self.function_column(oid, 1)) {
                    self.reads.extend(deps.iter().map(|dep| dep.source));
                    into.take(&deps, inside);
                }
                todo.push((object.get("args"), own));
            }
            "OPEXPR"
            | "DISTINCTEXPR"
            | "NULLIFEXPR"
            | "SCALARARRAYOPEXPR"
            | "BOOLEXPR"
            | "COALESCEEXPR"
            | "MINMAXEXPR"
            | "ROWEXPR"
            | "COALESCE"
            | "MINMAX"
            | "ROW"
            | "XMLEXPR"
            | "XML"
            | "JSONCONSTRUCTOREXPR" => {
                todo.push((object.get("args"), inside));
                todo.push((object.get("named_args"), inside));
                todo.push((object.get("func"), inside));
            }
            "ROWCOMPAREEXPR" | "ROWCOMPARE" => {
                todo.push((object.get("largs"), inside));
                todo.push((object.get("rargs"), inside));
            }
            "ARRAYEXPR" | "ARRAY" => todo.push((object.get("elements"), inside)),
            "NULLTEST" | "BOOLEANTEST" | "FIELDSELECT" | "NAMEDARGEXPR" | "RETURNINGEXPR" => {
                todo.push((object.get("arg"), inside));
            }
            "JSONISPREDICATE" => todo.push((object.get("expr"), inside)),
            "JSONVALUEEXPR" => {
                // as it was given, and as it was made of that
                todo.push((object.get("raw_expr"), inside));
            }
            "JSONEXPR" => {
                for part in ["formatted_expr", "path_spec", "passing_values"] {
                    todo.push((object.get(part), inside));
                }
            }
            "FIELDSTORE" => {
                todo.push((object.get("arg"), inside));
                todo.push((object.get("newvals"), inside));
            }
            "SUBSCRIPTINGREF" => {
                for part in ["refexpr", "refupperindexpr", "reflowerindexpr", "refassgnexpr"] {
                    todo.push((object.get(part), inside));
                }
            }
            "CASEEXPR" | "CASE" => {
                let deciding = used.within(Kind::Conditional);
                todo.push((object.get("arg"), deciding));
                for when in object.get("args").objects() {
                    todo.push((when.get("expr"), deciding));
                    todo.push((when.get("result"), inside));
                }
                todo.push((object.get("defresult"), inside));
            }
            "AGGREF" => self.aggregate(object, used, todo),
            "WINDOWFUNC" => self.window(object, used, into, todo),
            // the bits of a grouping set, which groups decide
            "GROUPINGFUNC" => todo.push((object.get("args"), used.within(Kind::GroupBy))),
            "SUBLINK" => self.sublink(object, used, into, todo),
            other => self.say("a node that is not known", other),
        }
    }

    fn aggregate(&mut self, object: &'n Object<'t>, used: Use, todo: &mut Vec<(&'n Node<'t>, Use)>) {
        let mut inside = used.within(Kind::Aggregation);
        if object.number("aggfnoid").is_some_and(|oid| MASKING.contains(&oid)) {
            inside = inside.masked();
        }
        // of an ordered set, what it is ordered by is what it is made from
        let ordered = object.get("aggkind").word() == Some("o");
        let orders: Vec<i64> = object.get("aggorder").objects().filter_map(|by| by.number("tleSortGroupRef")).collect();
        for entry in object.get("args").objects() {
            let sorts = entry.number("ressortgroupref").is_some_and(|own| own > 0 && orders.contains(&own));
            let hypothetical = object.get("aggkind").word() == Some("h");
            if !entry.is("resjunk") && !hypothetical {
                todo.push((entry.get("expr"), inside));
            }
            if (sorts && !ordered) || hypothetical {
                todo.push((entry.get("expr"), used.within(Kind::Sort)));
            }
        }
        todo.push((object.get("aggdirectargs"), inside));
        todo.push((object.get("aggfilter"), used.within(Kind::Filter)));
    }

    fn window(&mut self, object: &'n Object<'t>, used: Use, into: &mut Deps, todo: &mut Vec<(&'n Node<'t>, Use)>) {
        let aggregates = object.is("winagg");
        let mut inside = used.within(if aggregates { Kind::Aggregation } else { Kind::Transformation });
        if object.number("winfnoid").is_some_and(|oid| MASKING.contains(&oid)) {
            inside = inside.masked();
        }
        todo.push((object.get("args"), inside));
        todo.push((object.get("aggfilter"), used.within(Kind::Filter)));
        let Some(query) = self.levels.last().map(|level| level.query) else { return };
        let wanted = object.number("winref");
        let Some(clause) = query.get("windowClause").objects().find(|clause| clause.number("winref") == wanted) else {
            return;
        };
        let keys: Vec<i64> = ["partitionClause", "orderClause"]
            .iter()
            .flat_map(|part| clause.get(part).objects())
            .filter_map(|by| by.number("tleSortGroupRef"))
            .collect();
        let mut deps = Deps::default();
        for entry in query.get("targetList").objects() {
            if entry.number("ressortgroupref").is_some_and(|own| own > 0 && keys.contains(&own)) {
                self.walk(entry.get("expr"), Use::deciding(Kind::Window), &mut deps);
            }
        }
        into.take(&deps, used);
    }

    fn sublink(&mut self, object: &'n Object<'t>, used: Use, into: &mut Deps, todo: &mut Vec<(&'n Node<'t>, Use)>) {
        let Some(query) = object.get("subselect").object() else { return };
        let given = self.query(query);
        into.take(&given.rows, used);
        let kind = object.number("subLinkType");
        if kind == Some(EXISTS) {
            return;
        }
        // EXPR is the value itself; ANY and ALL compare; ARRAY gathers
        let own = if kind == Some(4) || kind == Some(5) { used } else { used.within(Kind::Transformation) };
        given.columns.iter().for_each(|(_, deps)| into.take(deps, own));
        todo.push((object.get("testexpr"), used.within(Kind::Transformation)));
    }

    fn of_several(&mut self, id: i64, column: i64, used: Use, into: &mut Deps) {
        let given = self.levels.last().and_then(|level| level.several.get(&id)).cloned();
        let Some(given) = given else { return };
        if let Some((_, deps)) = usize::try_from(column - 1).ok().and_then(|number| given.columns.get(number)) {
            into.take(deps, used);
            into.take(&given.rows, used);
        }
    }
}
