//! Statements that change tables: what names mean after them.

use super::resolver::{Resolver, idents};
use crate::deps::Deps;
use fieldmark_model::lineage::ColumnName;
use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef, Ident, MySQLColumnPosition, ObjectName,
    RenameTableNameKind,
};

impl Resolver<'_> {
    pub(crate) fn alter_table(&mut self, alter: &AlterTable) {
        let Ok(table) = self.find_table(&idents(&alter.name)) else { return };
        let (catalogue, number) = self.catalogue(table);
        let mut parts: Vec<String> = catalogue.parts(number).iter().map(ToString::to_string).collect();
        let mut columns = catalogue.columns_of(number);
        let mut defined: Vec<ColumnDef> = Vec::new();
        // conversions name the columns as they are before
        for operation in &alter.operations {
            if let AlterTableOperation::AlterColumn {
                column_name,
                op: AlterColumnOperation::SetDataType { using: Some(using), .. },
            } = operation
            {
                let deps = self.of_row(table, using);
                let name = self.dialect.spelled(column_name);
                self.emit(ColumnName::new(parts.join("."), name), &deps, &Deps::default());
            }
        }
        for operation in &alter.operations {
            self.operation(operation, &mut parts, &mut columns, &mut defined);
        }
        self.drop_table(table);
        self.make_table(&parts, &columns);
        self.generated(&parts, &defined);
    }

    fn operation(
        &mut self,
        operation: &AlterTableOperation,
        parts: &mut Vec<String>,
        columns: &mut Vec<(String, Option<String>)>,
        defined: &mut Vec<ColumnDef>,
    ) {
        let dialect = self.dialect;
        let at = |columns: &[(String, Option<String>)], name: &Ident| {
            columns.iter().position(|(own, _)| dialect.same(name, own))
        };
        match operation {
            AlterTableOperation::AddColumn { column_def, column_position, .. } => {
                if at(columns, &column_def.name).is_some() {
                    return;
                }
                let new = self.declared_column(column_def);
                let place = match column_position {
                    Some(MySQLColumnPosition::First) => 0,
                    Some(MySQLColumnPosition::After(name)) => at(columns, name).map_or(columns.len(), |at| at + 1),
                    None => columns.len(),
                };
                columns.insert(place, new);
                defined.push(column_def.clone());
            }
            AlterTableOperation::DropColumn { column_names, .. } => {
                columns.retain(|(own, _)| !column_names.iter().any(|name| dialect.same(name, own)));
            }
            AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
                if let Some(column) = at(columns, old_column_name).and_then(|at| columns.get_mut(at)) {
                    column.0 = dialect.spelled(new_column_name);
                }
            }
            AlterTableOperation::ChangeColumn { old_name, new_name, data_type, .. } => {
                if let Some(column) = at(columns, old_name).and_then(|at| columns.get_mut(at)) {
                    *column = (dialect.spelled(new_name), Some(data_type.to_string().to_lowercase()));
                }
            }
            AlterTableOperation::ModifyColumn { col_name, data_type, .. } => {
                if let Some(column) = at(columns, col_name).and_then(|at| columns.get_mut(at)) {
                    column.1 = Some(data_type.to_string().to_lowercase());
                }
            }
            AlterTableOperation::AlterColumn {
                column_name,
                op: AlterColumnOperation::SetDataType { data_type, .. },
            } => {
                if let Some(column) = at(columns, column_name).and_then(|at| columns.get_mut(at)) {
                    column.1 = Some(data_type.to_string().to_lowercase());
                }
            }
            AlterTableOperation::RenameTable { table_name } => {
                let (RenameTableNameKind::As(name) | RenameTableNameKind::To(name)) = table_name;
                rename(self, parts, name);
            }
            // nothing else changes what names mean
            _ => {}
        }
    }

    pub(crate) fn rename_table(&mut self, old: &ObjectName, new: &ObjectName) {
        let Ok(table) = self.find_table(&idents(old)) else { return };
        let (catalogue, number) = self.catalogue(table);
        let mut parts: Vec<String> = catalogue.parts(number).iter().map(ToString::to_string).collect();
        let columns = catalogue.columns_of(number);
        rename(self, &mut parts, new);
        self.drop_table(table);
        self.make_table(&parts, &columns);
    }
}

/// A table that is renamed stays in its schema, where the new name has none.
fn rename(resolver: &Resolver<'_>, parts: &mut Vec<String>, name: &ObjectName) {
    let new: Vec<String> = idents(name).iter().map(|part| resolver.dialect.spelled(part)).collect();
    if let ([own], Some(last)) = (&new[..], parts.last_mut()) {
        last.clone_from(own);
    } else {
        *parts = new;
    }
}
