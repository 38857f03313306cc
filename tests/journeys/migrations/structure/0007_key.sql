alter table rekeyed alter column id type bigint;
