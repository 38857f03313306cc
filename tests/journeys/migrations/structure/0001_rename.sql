alter table renamed rename column name to title;
