-- 60 of 60 000
delete from deleted where id % 1000 = 617;
