alter table added add column kind text not null default 'plain';
