alter table dropped drop column note;
