alter table merged add column address text;
update merged set address = street || ', ' || city;
alter table merged drop column street, drop column city;
