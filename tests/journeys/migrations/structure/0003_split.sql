alter table split add column first_name text, add column last_name text;
update split set first_name = split_part(full_name, ' ', 1), last_name = split_part(full_name, ' ', 2);
alter table split drop column full_name;
