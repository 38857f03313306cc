-- every table is written to by the application all the time; a migration changes each in its own way
create table renamed (id integer primary key, name text not null, touched bigint not null default 0);
insert into renamed select i, 'name ' || i, 0 from generate_series(1, 3000) i;
create table retyped (id integer primary key, price numeric(12,2) not null, touched bigint not null default 0);
insert into retyped select i, i + (i % 4) * 0.25, 0 from generate_series(1, 3000) i;
create table split (id integer primary key, full_name text not null, touched bigint not null default 0);
insert into split select i, 'Ada' || i || ' Lovelace' || i, 0 from generate_series(1, 3000) i;
create table merged (id integer primary key, street text not null, city text not null, touched bigint not null default 0);
insert into merged select i, 'Street ' || i, 'City ' || i % 50, 0 from generate_series(1, 3000) i;
create table dropped (id integer primary key, note text, touched bigint not null default 0);
insert into dropped select i, case when i % 3 = 0 then 'note ' || i end, 0 from generate_series(1, 3000) i;
create table added (id integer primary key, v integer not null, touched bigint not null default 0);
insert into added select i, i, 0 from generate_series(1, 3000) i;
create table rekeyed (id integer primary key, v integer not null, touched bigint not null default 0);
insert into rekeyed select i, i, 0 from generate_series(1, 3000) i;
create table quiet (id integer primary key, v integer not null, touched bigint not null default 0);
insert into quiet select i, i, 0 from generate_series(1, 3000) i;
analyze;
