-- every table is written to by the application all the time; a migration changes each in its own way
create table deleted (id integer primary key, v integer not null, touched bigint not null default 0);
insert into deleted select i, i, 0 from generate_series(1, 130000) i;
create table corrupted_a_little (id integer primary key, v integer not null, touched bigint not null default 0);
insert into corrupted_a_little select i, i, 0 from generate_series(1, 130000) i;
create table corrupted (id integer primary key, v integer not null, touched bigint not null default 0);
insert into corrupted select i, i, 0 from generate_series(1, 60000) i;
create table quiet (id integer primary key, v integer not null, touched bigint not null default 0);
insert into quiet select i, i, 0 from generate_series(1, 3000) i;
analyze;
